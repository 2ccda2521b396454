import type { DeliveryAttempt, MeterEvent } from "../../delivery/meter-events.ts";
import { asAge, counted, inDigits, secondsBetween } from "../parts/figures.ts";
import { StateBadge } from "../parts/state-badge.tsx";
import { When } from "../parts/when.tsx";

/** Of more attempts than this the first and the last are shown. */
const shownFirst = 10;
const shownLast = 90;

type AttemptsProps = {
  event: MeterEvent;
  attempts: readonly DeliveryAttempt[];
  dropped: readonly string[];
  /** Whether Stripe's dashboard shows them in live mode. */
  isLive: boolean;
};

/** What Stripe said to each attempt, on a line of time from the seal on. */
export function Attempts({ event, attempts, dropped, isLive }: AttemptsProps) {
  const left = attempts.length - shownFirst - shownLast;
  const isCut = left > 0;
  return (
    <section aria-label="What Stripe said">
      <h2>What Stripe said</h2>
      {dropped.includes("attempts") && (
        <p class="small">Its attempts are so old that they are not kept any more.</p>
      )}
      {attempts.length === 0 ? (
        <p class="empty">{noAttempts(event)}</p>
      ) : (
        <ol class="timeline" aria-label="Attempts, the first first">
          <Moment at={event.sealedAt}>Sealed</Moment>
          {(isCut ? attempts.slice(0, shownFirst) : attempts).map((attempt) => (
            <Attempt attempt={attempt} event={event} isLive={isLive} />
          ))}
          {isCut && (
            <li>
              <p class="small">{counted(left, "more attempt")} between</p>
            </li>
          )}
          {isCut &&
            attempts
              .slice(-shownLast)
              .map((attempt) => <Attempt attempt={attempt} event={event} isLive={isLive} />)}
          {event.nextAttemptAt !== null && (
            <Moment at={event.nextAttemptAt} after={event.sealedAt}>
              Next attempt
            </Moment>
          )}
        </ol>
      )}
    </section>
  );
}

function noAttempts({ attemptsStarted }: MeterEvent): string {
  return attemptsStarted === 0
    ? "Nothing yet: no attempt was made."
    : `${counted(attemptsStarted, "attempt")} began, and none has told how it ended.`;
}

function Moment({ at, after, children }: { at: Date; after?: Date; children?: unknown }) {
  return (
    <li>
      <p>
        <strong>{children}</strong>
      </p>
      <p class="small">
        <When at={at} />
        {after !== undefined && `, ${laterThan(after, at)}`}
      </p>
    </li>
  );
}

type AttemptProps = { attempt: DeliveryAttempt; event: MeterEvent; isLive: boolean };

function Attempt({ attempt: told, event, isLive }: AttemptProps) {
  const { attempt, startedAt, durationMs, verdict, httpStatus, code, message, stripeRequestId } = told;
  return (
    <li class={`state-${verdict}`}>
      <p>
        <strong>Attempt {attempt}</strong> <StateBadge state={verdict} />{" "}
        {httpStatus === null ? "no answer" : httpStatus} {code !== null && <code>{code}</code>}
      </p>
      {message !== null && <p>{message}</p>}
      <p class="small">
        {stripeRequestId !== null && (
          <>
            <RequestLink id={stripeRequestId} isLive={isLive} />
            {" · "}
          </>
        )}
        <When at={startedAt} />, {laterThan(event.sealedAt, startedAt)}; took {inDigits(durationMs)} ms
      </p>
    </li>
  );
}

function laterThan(from: Date, at: Date): string {
  return `${asAge(secondsBetween(from, at))} after the seal`;
}

function RequestLink({ id, isLive }: { id: string; isLive: boolean }) {
  const path = `${isLive ? "" : "test/"}logs/${encodeURIComponent(id)}`;
  return (
    <a class="mono" href={`https://dashboard.stripe.com/${path}`} rel="noreferrer">
      {id}
    </a>
  );
}
