import type { ConsoleParts } from "../../api/console-parts.ts";
import { readConditions } from "../../monitoring/alerts/read-conditions.ts";
import type { ConsoleApp, ConsoleContext } from "../console-env.ts";
import { mayAct } from "../forms/act.ts";
import { showPage } from "../layout/show-page.tsx";
import { createSharedRead, liveLimits } from "../shared-read.ts";
import { readRoad } from "./read-road.ts";
import { type Live, LivePart, RoadPage } from "./road-page.tsx";

/** What needs attention is many reads: less often than the figures. */
const attentionLimits = { reusedMs: 15_000, reusedPerDuration: 100, reusedMsMax: 60_000 };

/** Adds the start page, and its part that renews itself. */
export function mountRoad(app: ConsoleApp, { db, now, live = liveLimits }: ConsoleParts): void {
  const readFigures = createSharedRead(() => readRoad(db), live);
  const readAttention = createSharedRead(() => readConditions(db), attentionLimits);

  async function readLive(c: ConsoleContext): Promise<Live> {
    const [figures, attention] = [await readFigures(), await readAttention()];
    return { figures, attention, now: now(), mayAct: mayAct(c) };
  }

  app.get("/", async (c) => {
    return showPage(c, { title: "The road", place: "road" }, <RoadPage live={await readLive(c)} />);
  });

  app.get("/road/live", async (c) => c.html(<LivePart live={await readLive(c)} />));
}
