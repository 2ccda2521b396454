import type { Child } from "hono/jsx";

export type Confirmation = {
  /** As a question: "Pause all delivery?" */
  question: string;
  /** Where the form goes, and where the way back leads. */
  action: string;
  back: string;
  /** What the button says. */
  verb: string;
  needsReason?: boolean;
  /** Sent along. */
  fields?: Record<string, string>;
  /** What it will do, in numbers. */
  children?: Child;
};

/** Asks before something is done, with what it will do. Works without JavaScript. */
export function ConfirmPage(confirmation: Confirmation) {
  const { question, action, back, verb, needsReason = false, fields = {}, children } = confirmation;
  return (
    <section class="confirm">
      <h1>{question}</h1>
      <div class="stack">{children}</div>
      <form method="post" action={action} class="stack">
        {Object.entries(fields).map(([name, value]) => (
          <input type="hidden" name={name} value={value} />
        ))}
        {needsReason && (
          <label>
            Reason
            <input type="text" name="reason" required maxlength={500} autofocus />
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
