import { sessionHours } from "./session-cookie.ts";

export type SignInFault = "wrong_token" | "wrong_code" | "too_many";

const words: Record<SignInFault, string> = {
  wrong_token: "This is not the token. It is the ADMIN_TOKEN or the CONSOLE_TOKEN of the API's environment.",
  wrong_code: "This link was used, or is older than ten minutes. Sign in with the token.",
  too_many: "There were too many wrong tokens.",
};

/** The form that takes a token. `seconds` says how long to wait after too many wrong ones. */
export function SignInPage({ fault, seconds = 0 }: { fault?: SignInFault; seconds?: number }) {
  return (
    <section class="sign-in">
      <h1>meter-outbox</h1>
      <p class="lead">The way of every reading to its invoice.</p>
      {fault !== undefined && (
        <p class="notice bad" role="alert">
          {words[fault]} {seconds > 0 && `Try again in ${seconds} s.`}
        </p>
      )}
      <form method="post" action="/console/sign-in" class="stack">
        <label>
          Token
          <input type="password" name="token" required autocomplete="current-password" autofocus />
          <small>ADMIN_TOKEN, or CONSOLE_TOKEN to look only</small>
        </label>
        <label>
          Your name
          <input type="text" name="name" maxlength={80} autocomplete="name" />
          <small>Optional. Stands beside what you do, on the page of actions.</small>
        </label>
        <button type="submit" class="main">
          Sign in
        </button>
        <p class="small">For {sessionHours} hours, or until the token changes.</p>
      </form>
    </section>
  );
}
