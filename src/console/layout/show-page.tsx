import type { Child } from "hono/jsx";
import type { ContentfulStatusCode } from "hono/utils/http-status";
import type { ConsoleContext } from "../console-env.ts";
import { type Frame, PageFrame } from "./page-frame.tsx";

/** Answers with a whole page, whose main part is `children`. */
export function showPage(
  c: ConsoleContext,
  frame: Pick<Frame, "title" | "place"> & { status?: ContentfulStatusCode },
  children: Child,
): Response | Promise<Response> {
  const { status = 200, ...rest } = frame;
  const { assets, session } = c.var;
  const page = (
    <PageFrame {...rest} assets={assets} session={session}>
      {children}
    </PageFrame>
  );
  return c.html(<>{page}</>, status);
}
