/** A strict reader of OpenAI's streams: events of one data line each, and [DONE] at the end. */
export async function readEvents(response: Response): Promise<unknown[]> {
  const type = response.headers.get("content-type");
  if (!type?.startsWith("text/event-stream")) throw new Error(`${response.status} ${type}: ${await response.text()}`);
  const text = await response.text();
  const events = text.split("\n\n");
  if (events.pop() !== "") throw new Error("the stream does not end with a whole event");
  if (events.pop() !== "data: [DONE]") throw new Error(`the stream does not end with [DONE]: ${text.slice(-300)}`);
  return events.map((event) => {
    const [, data] = /^data: ([^\n]+)$/.exec(event) ?? [];
    if (data === undefined) throw new Error(`not one data line: ${event}`);
    return JSON.parse(data) as unknown;
  });
}
