/** The series of a scrape with their values, each by name and labels as they were written. */
export function parseScrape(text: string): Record<string, number> {
  const lines = text.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  return Object.fromEntries(
    lines.map((line) => {
      const end = line.lastIndexOf(" ");
      return [line.slice(0, end), Number(line.slice(end + 1))];
    }),
  );
}

/** The names of all series of a scrape that begin with this text. */
export function seriesOf(scraped: Record<string, number>, prefix: string): string[] {
  return Object.keys(scraped).filter((series) => series.startsWith(prefix));
}
