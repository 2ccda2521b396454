import type { AlertRule } from "./alert-rule.ts";

export type AlertTold = {
  rule: AlertRule;
  subject: string;
  kind: "began" | "ended";
  value: number;
  beganAt: Date;
  endedAt: Date | null;
};

/** The body of a post. Slack shows `text`; `id` is the same for the beginning, its repetitions and the end. */
export type AlertPost = {
  text: string;
  id: string;
  alert: string;
  state: "began" | "ended";
  severity: AlertRule["severity"];
  summary: string;
  labels: Record<string, string>;
  value: number;
  began_at: string;
  ended_at: string | null;
  runbook: string;
};

/** Writes the post of an alert's beginning or end, in the words of docs/alerts.yaml. */
export function writeAlertPost({ rule, subject, kind, value, beganAt, endedAt }: AlertTold): AlertPost {
  const labels = labelsOf(subject);
  const summary = summaryOf({ rule, subject, value });
  const mark = kind === "began" ? `[${rule.severity}]` : "[over]";
  return {
    text: `${mark} ${rule.name}${subject === "" ? "" : ` (${subject})`}: ${summary}`,
    id: [rule.name, subject, beganAt.toISOString()].filter((part) => part !== "").join("/"),
    alert: rule.name,
    state: kind,
    severity: rule.severity,
    summary,
    labels,
    value,
    began_at: beganAt.toISOString(),
    ended_at: endedAt?.toISOString() ?? null,
    runbook: `docs/metrics.md#${rule.name.toLowerCase()}`,
  };
}

/** What is wrong, in the words of docs/alerts.yaml. */
export function summaryOf({ rule, subject, value }: Pick<AlertTold, "rule" | "subject" | "value">): string {
  return fillIn(rule.summary, { value, labels: labelsOf(subject) });
}

function labelsOf(subject: string): Record<string, string> {
  return Object.fromEntries(
    subject.split(",").flatMap((part) => {
      const [name, value] = part.split("=");
      return name === undefined || value === undefined ? [] : [[name, value]];
    }),
  );
}

/** The three placeholders that the summaries use, as Prometheus fills them in. */
function fillIn(
  summary: string,
  { value, labels }: { value: number; labels: Record<string, string> },
): string {
  return summary
    .replaceAll("{{ $value | humanizeDuration }}", humanizeDuration(value))
    .replaceAll("{{ $value }}", String(value))
    .replaceAll(/\{\{ \$labels\.(\w+) \}\}/g, (_, label: string) => labels[label] ?? "");
}

/** Such as `1d 2h 3m 4s`, without its leading zeros. */
function humanizeDuration(seconds: number): string {
  const whole = Math.floor(Math.abs(seconds));
  const parts = [
    [Math.floor(whole / 86_400), "d"],
    [Math.floor(whole / 3_600) % 24, "h"],
    [Math.floor(whole / 60) % 60, "m"],
    [whole % 60, "s"],
  ] as const;
  const from = parts.findIndex(([amount]) => amount > 0);
  const shown = from === -1 ? parts.slice(-1) : parts.slice(from);
  return `${seconds <= -1 ? "-" : ""}${shown.map(([amount, unit]) => `${amount}${unit}`).join(" ")}`;
}
