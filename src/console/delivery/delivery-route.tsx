import type { ConsoleParts } from "../../api/console-parts.ts";
import type { Db, Trx } from "../../database/db.ts";
import { listLeases } from "../../delivery/leases.ts";
import { account, pauseDelivery, readPauses, resumeDelivery, type Scope } from "../../delivery/pauses.ts";
import { reportScopes, type ScopeReport } from "../../delivery/scopes.ts";
import { Problem } from "../../http/problem.ts";
import { readLatestMinute } from "../../monitoring/figures/read-figures.ts";
import { readSeenProcesses } from "../../monitoring/seen-processes.ts";
import { listSeenWorkers } from "../../monitoring/seen-workers.ts";
import { meterNames } from "../../usage/meters.ts";
import type { ConsoleApp, ConsoleContext } from "../console-env.ts";
import { act, mayAct, reasonOf, requireAdmin } from "../forms/act.ts";
import { askFirst, ConfirmPage } from "../forms/confirm-page.tsx";
import { readForm } from "../forms/read-form.ts";
import { showPage, showPart } from "../layout/show-page.tsx";
import { counted } from "../parts/figures.ts";
import { createSharedRead, liveLimits } from "../shared-read.ts";
import { DoneNotice } from "../parts/notice.tsx";
import { type DeliveryFigures, type LiveDelivery, LiveDeliveryPart } from "./delivery-page.tsx";
import { leasesShownMax } from "./leases.tsx";
import { nameOfScope } from "./name-of-scope.ts";

/** Adds the page of delivery, with Pause and Resume for all of it or one meter. */
export function mountDelivery(app: ConsoleApp, { db, now, live = liveLimits }: ConsoleParts): void {
  const frame = { title: "Delivery", place: "delivery" } as const;
  const readShared = createSharedRead(() => readDelivery(db), live);
  const readLive = async (c: ConsoleContext, { fresh = false } = {}): Promise<LiveDelivery> => ({
    figures: await readShared({ fresh }),
    now: now(),
    mayAct: mayAct(c),
  });

  app.get("/delivery", async (c) => {
    // What an action has changed is seen at once; otherwise all readers share one read.
    const did = c.req.query("did");
    const page = (
      <>
        <DoneNotice did={did} />
        <h1>Delivery</h1>
        <LiveDeliveryPart live={await readLive(c, { fresh: did !== undefined })} />
      </>
    );
    return showPage(c, frame, page);
  });

  app.get("/delivery/live", async (c) => showPart(c, <LiveDeliveryPart live={await readLive(c)} />));

  app.get("/delivery/:verb{pause|resume}", async (c) => {
    requireAdmin(c);
    const scope = scopeOf(c.req.query("scope"));
    const report = (await reportScopes(db)).find((one) => one.scope === scope);
    const pending = report?.pending ?? 0;
    const page =
      c.req.param("verb") === "pause" ? (
        <PauseQuestion scope={scope} pending={pending} />
      ) : (
        <ResumeQuestion scope={scope} pending={pending} pause={report} />
      );
    return askFirst(c, frame, page);
  });

  app.post("/delivery/pause", async (c) => {
    requireAdmin(c);
    const fields = await readForm(c);
    const [scope, reason] = [scopeOf(fields["scope"]), reasonOf(fields)];
    await act(
      { c, db },
      (trx) => pauseDelivery(trx, reason, scope),
      () => ({ action: "pause_delivery", subject: scope, reason }),
    );
    return c.redirect("/console/delivery?did=paused", 303);
  });

  app.post("/delivery/resume", async (c) => {
    requireAdmin(c);
    const fields = await readForm(c);
    const scope = scopeOf(fields["scope"]);
    await act(
      { c, db },
      async (trx) => {
        await refuseAnotherPause(trx, { scope, pausedAt: fields["paused_at"] });
        return resumeDelivery(trx, scope);
      },
      (affected) => ({ action: "resume_delivery", subject: scope, affected }),
    );
    return c.redirect("/console/delivery?did=resumed", 303);
  });
}

async function readDelivery(db: Db): Promise<DeliveryFigures> {
  return {
    scopes: await reportScopes(db),
    processes: await readSeenProcesses(db),
    workers: await listSeenWorkers(db),
    leases: await listLeases(db, { limit: leasesShownMax }),
    latest: await readLatestMinute(db),
  };
}

type Question = { scope: Scope; pending: number };

function PauseQuestion({ scope, pending }: Question) {
  return (
    <ConfirmPage
      question={`Pause ${nameOfScope(scope)}?`}
      action="/console/delivery/pause"
      back="/console/delivery"
      verb="Pause"
      fields={{ scope }}
      needsReason
    >
      <p>
        Nothing {scope === account ? "" : `of ${scope} `}is sent to Stripe until an operator resumes it:{" "}
        {counted(pending, "pending meter event")} and all that come. Readings are taken in as before.
      </p>
      <p class="small">Stripe takes usage of the last 35 days only.</p>
    </ConfirmPage>
  );
}

type ResumeProps = Question & { pause: Pick<ScopeReport, "reason" | "pausedAt"> | undefined };

function ResumeQuestion({ scope, pending, pause }: ResumeProps) {
  const reason = pause?.reason ?? null;
  return (
    <ConfirmPage
      question={`Resume ${nameOfScope(scope)}?`}
      action="/console/delivery/resume"
      back="/console/delivery"
      verb="Resume"
      fields={{ scope, paused_at: pause?.pausedAt?.toISOString() }}
    >
      <p>{reason === null ? "It is not paused." : `It is paused: ${reason.replaceAll("_", " ")}.`}</p>
      <p>{counted(pending, "pending meter event")} will be attempted at once, no matter who paused it.</p>
      {scope === account && <p class="small">A meter that is paused by itself stays paused.</p>}
    </ConfirmPage>
  );
}

/** Throws the 409 where the pause is another one than that which the operator was asked about. */
async function refuseAnotherPause(
  trx: Trx,
  asked: { scope: Scope; pausedAt: string | undefined },
): Promise<void> {
  const pause = (await readPauses(trx)).find(({ scope }) => scope === asked.scope);
  if (pause === undefined || pause.pausedAt.toISOString() === asked.pausedAt) return;
  const detail = `It was paused anew meanwhile: ${pause.reason}. Look again, and resume it all the same if you will.`;
  throw new Problem({ status: 409, code: "paused_anew", detail });
}

function scopeOf(given: string | undefined): Scope {
  const scopes: readonly string[] = [account, ...meterNames];
  if (given !== undefined && scopes.includes(given)) return given;
  const detail = `scope must be one of ${scopes.join(", ")}.`;
  throw new Problem({ status: 400, code: "invalid_request", detail });
}
