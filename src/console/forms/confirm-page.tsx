import type { Child } from "hono/jsx";
import type { ConsoleContext } from "../console-env.ts";
import type { Frame } from "../layout/page-frame.tsx";
import { showPage } from "../layout/show-page.tsx";

export type Confirmation = {
  /** As a question: "Pause all delivery?" */
  question: string;
  /** Where the form goes, and where the way back leads. */
  action: string;
  back: string;
  /** What the button says. */
  verb: string;
  needsReason?: boolean;
  /** Sent along; those without a value are not. */
  fields?: Record<string, string | undefined>;
  /** What else the reader has to say: fields of the form. */
  asks?: Child;
  /** What it will do, in numbers. */
  children?: Child;
};

/** Answers with a page that asks before something is done. Such a page is not kept: its numbers are those of now. */
export function askFirst(
  c: ConsoleContext,
  frame: Pick<Frame, "title" | "place">,
  question: Child,
): Promise<Response> {
  return showPage(c, { ...frame, isKept: false }, question);
}

/** Asks before something is done, with what it will do. Works without JavaScript. */
export function ConfirmPage(confirmation: Confirmation) {
  const { question, action, back, verb, needsReason = false, fields = {}, asks, children } = confirmation;
  return (
    <section class="confirm">
      <h1>{question}</h1>
      <div class="stack">{children}</div>
      <form method="post" action={action} class="stack">
        {Object.entries(fields).map(
          ([name, value]) => value !== undefined && <input type="hidden" name={name} value={value} />,
        )}
        {asks}
        {needsReason && (
          <label>
            Reason
            <input type="text" name="reason" required maxlength={500} autofocus={asks === undefined} />
            <small>Is kept with the action, and shown to others.</small>
          </label>
        )}
        <div class="row">
          <button type="submit" class="main">
            {verb}
          </button>
          <a class="button" href={back}>
            Back
          </a>
        </div>
      </form>
    </section>
  );
}
