import { summaryOf } from "../../monitoring/alerts/alert-post.ts";
import { Ago } from "../parts/when.tsx";
import type { Shared } from "../shared-read.ts";
import type { Attention } from "./read-attention.ts";
import { whatToDo } from "./what-to-do.ts";

/** What an operator has to look at, each with what to do about it: the alerts that hold, and what else doctor finds. */
export function AttentionPart({ attention, now }: { attention: Shared<Attention> | undefined; now: Date }) {
  return (
    <section aria-label="Needs attention">
      <h2>Needs attention</h2>
      {attention === undefined ? (
        <p class="empty">It is being looked at, which takes long. It stands here as soon as it is known.</p>
      ) : (
        <Found attention={attention} now={now} />
      )}
    </section>
  );
}

function Found({ attention, now }: { attention: Shared<Attention>; now: Date }) {
  const { conditions, findings } = attention.value;
  return (
    <>
      {attention.failure !== undefined && (
        <p class="notice bad" role="alert">
          It could not be read again: this is what was found <Ago at={attention.readAt} now={now} />.
        </p>
      )}
      {conditions.length + findings.length === 0 ? (
        <p class="calm-words">
          Nothing. No alert of docs/alerts.yaml holds now, and doctor would find nothing in the database.
        </p>
      ) : (
        <ul class="attention">
          {conditions.map((condition) => (
            <li class={condition.rule.severity}>
              <p>
                <strong class="severity">{condition.rule.severity}</strong> {summaryOf(condition)}
              </p>
              <p class="small">{whatToDo(condition.rule.name)}</p>
            </li>
          ))}
          {findings.map((finding) => (
            <li class="finding">
              <p>
                <strong class="severity">{finding.check}</strong> {finding.detail}
              </p>
              <p class="small">
                {finding.state === "problem" ? finding.remedy : "It could not be looked at."}
              </p>
            </li>
          ))}
        </ul>
      )}
      <p class="small">
        What the alerts and doctor would say, as of <Ago at={attention.readAt} now={now} />. Of Stripe itself
        only <code>doctor</code> tells: its key, meters and webhook endpoint.
      </p>
    </>
  );
}
