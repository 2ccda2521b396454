/** A gateway collects the readings of a site's sensors and posts them. */
export type Gateway = { name: string; sensorIds: string[] };

export type DemoOrganization = { name: string; gateways: Gateway[] };

/** Whose readings the demo replays. Each has another number of sensors, so that no bill can be mistaken for another. */
export const demoOrganizations: DemoOrganization[] = [
  organization("Northwind Pharma Cold Chain", 3, ["basel", "leiden", "raleigh", "singapore"]),
  organization("Bering Seafood", 2, ["dutch-harbor", "kodiak", "seattle", "busan"]),
  organization("Alpine Dairy", 4, ["chur", "innsbruck", "bolzano", "annecy"]),
];

function organization(name: string, sensorsPerSite: number, sites: string[]): DemoOrganization {
  return {
    name,
    gateways: sites.map((site) => ({ name: site, sensorIds: sensorIdsOf(site, sensorsPerSite) })),
  };
}

function sensorIdsOf(site: string, sensors: number): string[] {
  return Array.from({ length: sensors }, (_, index) => `${site}.cold-room-${index + 1}`);
}
