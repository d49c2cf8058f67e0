/** A layer that says which accounts and slots native code looks at, while somebody wants to know. */
import { OverlayLayer } from "../state/layer.ts";
import type { AccountState } from "../state/types.ts";

type OnTouch = (address: Uint8Array, slot: Uint8Array | undefined) => void;

export class TracedLayer extends OverlayLayer {
  /** Told before each look. It must not look itself while it is set. */
  onTouch: OnTouch | undefined;

  override account(address: Uint8Array): AccountState | undefined {
    this.onTouch?.(address, undefined);
    return super.account(address);
  }

  override storage(address: Uint8Array, slot: Uint8Array): Uint8Array {
    this.onTouch?.(address, slot);
    return super.storage(address, slot);
  }
}
