/** A gateway collects the readings of a site's sensors and posts them. */
export type Gateway = { name: string; sensorIds: string[] };

export type DemoOrganization = { name: string; gateways: Gateway[] };

const sensorsPerGateway = 3;

/** Whose readings the demo replays. */
export const demoOrganizations: DemoOrganization[] = [
  organization("Northwind Pharma Cold Chain", ["basel", "leiden", "raleigh", "singapore"]),
  organization("Bering Seafood", ["dutch-harbor", "kodiak", "seattle", "busan"]),
  organization("Alpine Dairy", ["chur", "innsbruck", "bolzano", "annecy"]),
];

function organization(name: string, sites: string[]): DemoOrganization {
  return { name, gateways: sites.map((site) => ({ name: site, sensorIds: sensorIdsOf(site) })) };
}

function sensorIdsOf(site: string): string[] {
  return Array.from({ length: sensorsPerGateway }, (_, index) => `${site}.cold-room-${index + 1}`);
}
