/** Server-sent events (WHATWG HTML, "Server-sent events") as far as OpenAI's streams use them: the data of each event. */

/** Throws RangeError when an event is longer than `maxEventBytes`, TypeError when the stream is no UTF-8. */
export async function* eventData(stream: AsyncIterable<Uint8Array>, maxEventBytes: number): AsyncGenerator<string> {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  let text = "";
  let data: string[] = [];
  let dataLength = 0;
  for await (const chunk of stream) {
    text += decoder.decode(chunk, { stream: true });
    for (;;) {
      // CR LF, LF or CR; a CR at the end may be half of CR LF.
      const end = /\r\n|\n|\r(?!$)/.exec(text);
      if (end === null) break;
      const line = text.slice(0, end.index);
      text = text.slice(end.index + end[0].length);
      if (line === "") {
        if (data.length > 0) yield data.join("\n");
        data = [];
        dataLength = 0;
      } else if (line.startsWith("data:")) {
        data.push(line.slice(line.startsWith("data: ") ? 6 : 5));
        dataLength += line.length;
      }
      // Comments, ids, names and retry times say nothing here.
    }
    if (text.length + dataLength > maxEventBytes) throw new RangeError(`an event is longer than ${maxEventBytes}`);
  }
  // What the stream ends within is not an event.
}
