/** A state by its word, with a sign and a colour of its own that are the same on every page. */
export function StateBadge({ state }: { state: string }) {
  return (
    <span class={`state state-${state}`}>
      <span class="sign" aria-hidden="true">
        {signs[state] ?? "·"}
      </span>
      {state.replaceAll("_", " ")}
    </span>
  );
}

/** So that states are told apart without colours, too. */
const signs: Record<string, string> = {
  pending: "○",
  delivered: "●",
  confirmed: "◉",
  in_doubt: "?",
  rejected: "✕",
  expired: "⊘",
  superseded: "↷",
  held: "‖",
  unsealed: "◌",
  retry: "↻",
  unknown: "?",
  handled: "●",
  failed: "✕",
  refused: "⊘",
  paused: "‖",
  running: "●",
  billable: "●",
  active: "●",
  deactivated: "⊘",
  revoked: "✕",
  archived: "⊘",
  open: "○",
  closing: "◐",
  closed: "●",
  equal: "●",
  settling: "○",
  on_its_way: "◌",
  not_comparable: "?",
  different: "✕",
  not_billed: "✕",
  not_yet: "·",
};
