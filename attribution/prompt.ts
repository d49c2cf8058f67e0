/**
 * What is asked, as the bytes that a request's content root covers (docs/hosting.md "Prompt bytes"). Of a text it is
 * its UTF-8; of chat messages the UTF-8 of their JSON by RFC 8785: an array of objects with exactly the members
 * `content` and `role`, in this order, without white space.
 */
export interface ChatMessage {
  readonly role: string;
  readonly content: string;
}

export interface Prompt {
  /** What the content root is of. */
  readonly bytes: Uint8Array;
  /** What a model continues: the whole text, or the last message's. */
  readonly text: string;
  /** Undefined for a text. */
  readonly messages: readonly ChatMessage[] | undefined;
}

export const textPrompt = (text: string): Prompt => ({ bytes: utf8(text), text, messages: undefined });

/** Throws RangeError when there is no message, or a text is no Unicode: RFC 8785 knows no lone surrogates. */
export function chatPrompt(messages: readonly ChatMessage[]): Prompt {
  const last = messages.at(-1);
  if (last === undefined) throw new RangeError("there is no message");
  // ECMAScript's serialization of strings is RFC 8785's.
  const canonical = messages.map(({ role, content }) => {
    if (!role.isWellFormed() || !content.isWellFormed()) throw new RangeError("a message holds half a surrogate pair");
    return { content, role };
  });
  return { bytes: utf8(JSON.stringify(canonical)), text: last.content, messages };
}

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);
