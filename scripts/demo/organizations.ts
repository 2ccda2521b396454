/** A gateway collects the readings of a site's sensors and posts them. */
export type Gateway = { name: string; sensorIds: string[] };

/** `checkout`, `by_hand`: the operator links a customer that has subscribed already; `plan_change`: a checkout, and another in the middle. */
export type Joining = "checkout" | "by_hand" | "plan_change";

export type DemoOrganization = { name: string; joining: Joining; gateways: Gateway[] };

/** Whose readings the demo replays. Each has another number of sensors, so that no bill can be mistaken for another. */
export const demoOrganizations: DemoOrganization[] = [
  organization(["Northwind Pharma Cold Chain", "checkout"], 3, ["basel", "leiden", "raleigh", "singapore"]),
  organization(["Bering Seafood", "plan_change"], 2, ["dutch-harbor", "kodiak", "seattle", "busan"]),
  organization(["Alpine Dairy", "by_hand"], 4, ["chur", "innsbruck", "bolzano", "annecy"]),
];

function organization(
  [name, joining]: [string, Joining],
  sensorsPerSite: number,
  sites: string[],
): DemoOrganization {
  return {
    name,
    joining,
    gateways: sites.map((site) => ({ name: site, sensorIds: sensorIdsOf(site, sensorsPerSite) })),
  };
}

function sensorIdsOf(site: string, sensors: number): string[] {
  return Array.from({ length: sensors }, (_, index) => `${site}.cold-room-${index + 1}`);
}
