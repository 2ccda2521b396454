import { deleteCookie, setCookie } from "hono/cookie";
import type { ConsoleApp, ConsoleContext } from "../console-env.ts";
import { clientAddress } from "../../http/client-address.ts";
import type { Log } from "../../log.ts";
import { readForm } from "../forms/read-form.ts";
import { cookieName } from "./require-session.ts";
import { judgeToken } from "./judge-token.ts";
import { createOneTimeCode } from "./one-time-code.ts";
import { sessionHours, type Session, signSession, type Tokens } from "./session-cookie.ts";
import { createSignInLimit } from "./sign-in-limit.ts";
import { showPage } from "../layout/show-page.tsx";
import { SignInPage } from "./sign-in-page.tsx";

const nameCharsMax = 80;

export type SignInDeps = { tokens: Tokens; code?: string | undefined; log: Log; now: () => Date };

/** Adds the ways into the console and out of it: all of it that needs no session. */
export function mountSignIn(app: ConsoleApp, { tokens, code, log, now }: SignInDeps): void {
  const limit = createSignInLimit();
  const takeCode = createOneTimeCode(code, now());

  function begin(c: ConsoleContext, session: Omit<Session, "expiresAt">) {
    const expiresAt = new Date(now().getTime() + sessionHours * 3_600_000);
    setCookie(c, cookieName, signSession({ ...session, expiresAt }, tokens), {
      httpOnly: true,
      sameSite: "Strict",
      secure: isBehindTls(c),
      path: "/console",
      expires: expiresAt,
    });
    log.info({ event: "console_signed_in", role: session.role, request_id: c.get("requestId") });
    return c.redirect("/console", 303);
  }

  async function refuse(c: ConsoleContext, reason: "wrong_token" | "wrong_code") {
    const address = clientAddress(c);
    await limit.countWrong(address);
    log.warn({ event: "console_sign_in_refused", reason, address, request_id: c.get("requestId") });
    return showPage(c, { title: "Sign in", status: 401 }, <SignInPage fault={reason} />);
  }

  function slowDown(c: ConsoleContext, seconds: number) {
    c.header("retry-after", String(seconds));
    const page = <SignInPage fault="too_many" seconds={seconds} />;
    return showPage(c, { title: "Sign in", status: 429 }, page);
  }

  app.get("/sign-in", async (c) => {
    const given = c.req.query("code");
    if (given === undefined) return showPage(c, { title: "Sign in" }, <SignInPage />);
    const seconds = await limit.secondsToWait(clientAddress(c));
    if (seconds > 0) return slowDown(c, seconds);
    return takeCode(given, now()) ? begin(c, { role: "admin", name: "" }) : refuse(c, "wrong_code");
  });

  app.post("/sign-in", async (c) => {
    const { token = "", name = "" } = await readForm(c);
    // Once all of the body is there, so that wrong tokens are counted one by one, however many come at once.
    const seconds = await limit.secondsToWait(clientAddress(c));
    if (seconds > 0) return slowDown(c, seconds);
    const role = judgeToken(token.trim(), tokens);
    if (role === undefined) return refuse(c, "wrong_token");
    return begin(c, { role, name: name.trim().slice(0, nameCharsMax) });
  });

  app.post("/sign-out", (c) => {
    deleteCookie(c, cookieName, { path: "/console" });
    return c.redirect("/console/sign-in", 303);
  });
}

/** A proxy that ends TLS says so in X-Forwarded-Proto. A stranger who writes it harms only the own cookie. */
function isBehindTls(c: ConsoleContext): boolean {
  return new URL(c.req.url).protocol === "https:" || c.req.header("x-forwarded-proto") === "https";
}
