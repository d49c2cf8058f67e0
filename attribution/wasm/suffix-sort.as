/**
 * Suffix array by induced sorting (SA-IS: Nong, Zhang, Chan, "Linear Suffix Array Construction by Almost Pure
 * Induced-Sorting", 2009), in place: 4 bytes a symbol for the array, which also holds the reduced problem.
 * AssemblyScript over plain memory; scripts/build-wasm.ts compiles it, attribution/suffix-sort.ts lays out the memory.
 *
 * Terms: suffix i is S-type when it is smaller than suffix i+1, otherwise L-type; an S-type suffix right of an L-type
 * one is LMS. A suffix that ends is smaller than one that goes on, as if a smallest symbol followed the text.
 *
 * No array of types is kept. When suffix k is placed, its left neighbour's type is known from two symbols beside each
 * other (text[k-1] and text[k]) if k's own type is known, and an entry ~k says that the pass which is under way has
 * nothing to do with k - 1. An empty slot is 0: suffix 0 has no left neighbour, so nothing needs to be done for it.
 *
 * The long passes run piece by piece in functions of their own, which are exported so that the compiler keeps them: an
 * engine that starts with quick, slow code replaces it when a function is entered again, not within a loop. For the
 * same reason symbols' width is an argument there: 1, 2 or (in reduced problems) 4 bytes.
 */

@inline
function symbol<T>(text: usize, i: i32): i32 {
  return <i32>load<T>(text + (<usize>i << alignof<T>()));
}

@inline
function get(array: usize, i: i32): i32 {
  return load<i32>(array + (<usize>i << 2));
}

@inline
function set(array: usize, i: i32, value: i32): void {
  store<i32>(array + (<usize>i << 2), value);
}

@inline
function clear(array: usize, from: i32, to: i32): void {
  memory.fill(array + (<usize>from << 2), 0, <usize>(to - from) << 2);
}

/** How far ahead a symbol is touched so that it is in the cache when its turn comes. */
const AHEAD: i32 = 24;
/** What touching reads ends here, so that it is not left out. */
let touched: i32 = 0;

@inline
function touch<T>(text: usize, sa: usize, at: i32, n: i32): i32 {
  if (<u32>at >= <u32>n) return 0;
  const j = get(sa, at);
  return j > 0 ? symbol<T>(text, j - 1) : 0;
}

/** Sums of symbol counts: where each bucket begins (`ends` false) or ends, exclusive (`ends` true). */
function buckets<T>(text: usize, n: i32, bucket: usize, alphabet: i32, ends: bool): void {
  clear(bucket, 0, alphabet);
  for (let i = 0; i < n; i++) {
    const slot = bucket + (<usize>symbol<T>(text, i) << 2);
    store<i32>(slot, load<i32>(slot) + 1);
  }
  let sum = 0;
  for (let c = 0; c < alphabet; c++) {
    const count = get(bucket, c);
    sum += count;
    set(bucket, c, ends ? sum : sum - count);
  }
}

/** LMS positions into the ends of their buckets, in text order. Returns how many there are. */
function placeLms<T>(text: usize, n: i32, sa: usize, bucket: usize): i32 {
  let count = 0;
  let next = symbol<T>(text, n - 1);
  let smaller = false;
  for (let i = n - 2; i >= 0; i--) {
    const c = symbol<T>(text, i);
    if (c < next) {
      smaller = true;
    } else if (c > next) {
      if (smaller) {
        const slot = get(bucket, next) - 1;
        set(bucket, next, slot);
        set(sa, slot, i + 1);
        count++;
      }
      smaller = false;
    }
    next = c;
  }
  return count;
}

/** Entries of a pass between two entries of its function. */
const PIECE: i32 = 1 << 16;

/** The imagined end of the text places the last suffix, which is L-type. */
function placeLast<T>(text: usize, n: i32, sa: usize, bucket: usize): void {
  const last = symbol<T>(text, n - 1);
  const slot = get(bucket, last);
  set(bucket, last, slot + 1);
  set(sa, slot, n > 1 && symbol<T>(text, n - 2) < last ? ~(n - 1) : n - 1);
}

function substringsUpOf<T>(text: usize, n: i32, sa: usize, bucket: usize, from: i32, to: i32): void {
  let read = 0;
  for (let i = from; i < to; i++) {
    read += touch<T>(text, sa, i + AHEAD, n);
    const j = get(sa, i);
    if (j > 0) {
      const k = j - 1;
      const c = symbol<T>(text, k);
      const slot = get(bucket, c);
      set(bucket, c, slot + 1);
      set(sa, i, 0);
      set(sa, slot, k > 0 && symbol<T>(text, k - 1) < c ? ~k : k);
    } else if (j < 0) {
      set(sa, i, ~j);
    }
  }
  touched = read;
}

function substringsDownOf<T>(text: usize, n: i32, sa: usize, bucket: usize, from: i32, to: i32): void {
  let read = 0;
  for (let i = to - 1; i >= from; i--) {
    read += touch<T>(text, sa, i - AHEAD, n);
    const j = get(sa, i);
    if (j > 0) {
      const k = j - 1;
      const c = symbol<T>(text, k);
      const slot = get(bucket, c) - 1;
      set(bucket, c, slot);
      set(sa, i, 0);
      set(sa, slot, k > 0 && symbol<T>(text, k - 1) > c ? ~k : k);
    } else if (j < 0) {
      set(sa, i, ~j);
    }
  }
  touched = read;
}

function suffixesUpOf<T>(text: usize, n: i32, sa: usize, bucket: usize, from: i32, to: i32): void {
  let read = 0;
  for (let i = from; i < to; i++) {
    read += touch<T>(text, sa, i + AHEAD, n);
    const j = get(sa, i);
    set(sa, i, ~j);
    if (j > 0) {
      const k = j - 1;
      const c = symbol<T>(text, k);
      const slot = get(bucket, c);
      set(bucket, c, slot + 1);
      set(sa, slot, k > 0 && symbol<T>(text, k - 1) < c ? ~k : k);
    }
  }
  touched = read;
}

function suffixesDownOf<T>(text: usize, n: i32, sa: usize, bucket: usize, from: i32, to: i32): void {
  let read = 0;
  for (let i = to - 1; i >= from; i--) {
    read += touch<T>(text, sa, i - AHEAD, n);
    const j = get(sa, i);
    if (j > 0) {
      const k = j - 1;
      const c = symbol<T>(text, k);
      const slot = get(bucket, c) - 1;
      set(bucket, c, slot);
      set(sa, slot, k == 0 || symbol<T>(text, k - 1) > c ? ~k : k);
    } else {
      set(sa, i, ~j);
    }
  }
  touched = read;
}

export function substringsUp(width: i32, text: usize, n: i32, sa: usize, bucket: usize, from: i32, to: i32): void {
  if (width == 1) substringsUpOf<u8>(text, n, sa, bucket, from, to);
  else if (width == 2) substringsUpOf<u16>(text, n, sa, bucket, from, to);
  else substringsUpOf<i32>(text, n, sa, bucket, from, to);
}

export function substringsDown(width: i32, text: usize, n: i32, sa: usize, bucket: usize, from: i32, to: i32): void {
  if (width == 1) substringsDownOf<u8>(text, n, sa, bucket, from, to);
  else if (width == 2) substringsDownOf<u16>(text, n, sa, bucket, from, to);
  else substringsDownOf<i32>(text, n, sa, bucket, from, to);
}

export function suffixesUp(width: i32, text: usize, n: i32, sa: usize, bucket: usize, from: i32, to: i32): void {
  if (width == 1) suffixesUpOf<u8>(text, n, sa, bucket, from, to);
  else if (width == 2) suffixesUpOf<u16>(text, n, sa, bucket, from, to);
  else suffixesUpOf<i32>(text, n, sa, bucket, from, to);
}

export function suffixesDown(width: i32, text: usize, n: i32, sa: usize, bucket: usize, from: i32, to: i32): void {
  if (width == 1) suffixesDownOf<u8>(text, n, sa, bucket, from, to);
  else if (width == 2) suffixesDownOf<u16>(text, n, sa, bucket, from, to);
  else suffixesDownOf<i32>(text, n, sa, bucket, from, to);
}

/** Sorts LMS substrings: of all suffixes that are placed, only the LMS ones are left, in order, with zeros between. */
function sortSubstrings<T>(text: usize, n: i32, sa: usize, bucket: usize, alphabet: i32): void {
  buckets<T>(text, n, bucket, alphabet, false);
  placeLast<T>(text, n, sa, bucket);
  for (let i = 0; i < n; i += PIECE) substringsUp(sizeof<T>(), text, n, sa, bucket, i, min(i + PIECE, n));
  buckets<T>(text, n, bucket, alphabet, true);
  for (let i = n; i > 0; i -= PIECE) substringsDown(sizeof<T>(), text, n, sa, bucket, max(i - PIECE, 0), i);
}

/** From sorted LMS suffixes in their buckets, all else 0: places all others. */
function induce<T>(text: usize, n: i32, sa: usize, bucket: usize, alphabet: i32): void {
  buckets<T>(text, n, bucket, alphabet, false);
  placeLast<T>(text, n, sa, bucket);
  for (let i = 0; i < n; i += PIECE) suffixesUp(sizeof<T>(), text, n, sa, bucket, i, min(i + PIECE, n));
  buckets<T>(text, n, bucket, alphabet, true);
  for (let i = n; i > 0; i -= PIECE) suffixesDown(sizeof<T>(), text, n, sa, bucket, max(i - PIECE, 0), i);
}

/** Symbols that the suffixes at a and b share, at most `limit`: eight bytes at a time. */
function shared<T>(text: usize, n: i32, a: i32, b: i32, limit: i32): i32 {
  const most = <usize>min(limit, n - max(a, b)) << alignof<T>();
  const atA = text + (<usize>a << alignof<T>());
  const atB = text + (<usize>b << alignof<T>());
  let k: usize = 0;
  for (; k + 8 <= most; k += 8) {
    const difference = load<u64>(atA + k) ^ load<u64>(atB + k);
    if (difference != 0) return <i32>((k + <usize>(ctz(difference) >> 3)) >> alignof<T>());
  }
  while (k < most && load<T>(atA + k) == load<T>(atB + k)) k += sizeof<T>();
  return <i32>(k >> alignof<T>());
}

/** Names given so far, and the position and length of the substring that got the last one. */
let names: i32 = 0;
let named: i32 = 0;
let namedLength: i32 = 0;

function giveNamesOf<T>(text: usize, n: i32, sa: usize, count: i32, from: i32, to: i32): void {
  let read = 0;
  for (let i = from; i < to; i++) {
    if (i + AHEAD < count) read += symbol<T>(text, get(sa, i + AHEAD));
    const position = get(sa, i);
    const slot = count + (position >> 1);
    const length = get(sa, slot);
    // The substring that runs into the end of the text equals no other.
    const same =
      length == namedLength &&
      position + length < n &&
      named + length < n &&
      shared<T>(text, n, position, named, length + 1) == length + 1;
    if (!same) names++;
    set(sa, slot, names);
    named = position;
    namedLength = length;
  }
  touched = read;
}

export function giveNames(width: i32, text: usize, n: i32, sa: usize, count: i32, from: i32, to: i32): void {
  if (width == 1) giveNamesOf<u8>(text, n, sa, count, from, to);
  else if (width == 2) giveNamesOf<u16>(text, n, sa, count, from, to);
  else giveNamesOf<i32>(text, n, sa, count, from, to);
}

/**
 * Names the `count` LMS substrings whose sorted positions are sa[0..count), equal ones alike, and leaves the names in
 * text order, from 0, in sa[n-count..n). Returns how many names there are.
 * Two LMS positions are at least 2 apart, so position >> 1 is a slot of its own: first for the length, then the name.
 */
function nameSubstrings<T>(text: usize, n: i32, sa: usize, count: i32): i32 {
  clear(sa, count, n);
  let following = n;
  let next = symbol<T>(text, n - 1);
  let smaller = false;
  for (let i = n - 2; i >= 0; i--) {
    const c = symbol<T>(text, i);
    if (c < next) {
      smaller = true;
    } else if (c > next) {
      if (smaller) {
        set(sa, count + ((i + 1) >> 1), following - (i + 1));
        following = i + 1;
      }
      smaller = false;
    }
    next = c;
  }

  names = 0;
  named = 0;
  namedLength = 0;
  for (let i = 0; i < count; i += PIECE) giveNames(sizeof<T>(), text, n, sa, count, i, min(i + PIECE, count));

  for (let i = n - 1, to = n; i >= count; i--) {
    const name = get(sa, i);
    if (name > 0) set(sa, --to, name - 1);
  }
  return names;
}

/** LMS positions in text order into sa[n-count..n). */
function listLms<T>(text: usize, n: i32, sa: usize): void {
  let to = n;
  let next = symbol<T>(text, n - 1);
  let smaller = false;
  for (let i = n - 2; i >= 0; i--) {
    const c = symbol<T>(text, i);
    if (c < next) {
      smaller = true;
    } else if (c > next) {
      if (smaller) set(sa, --to, i + 1);
      smaller = false;
    }
    next = c;
  }
}

/** Where `slots` numbers may be kept: `free` of them at `space`, or else beyond all that is in use. */
function room(space: usize, free: i32, slots: i32, beyond: usize): usize {
  if (slots <= free) return space;
  const needed = <i32>((beyond + (<usize>slots << 2) + 0xffff) >> 16);
  if (needed > memory.size() && memory.grow(needed - memory.size()) < 0) unreachable();
  return beyond;
}

/** `bucket` has room for `alphabet` numbers. `beyond` is the first byte that nothing uses. */
function sort<T>(text: usize, n: i32, sa: usize, bucket: usize, alphabet: i32, beyond: usize): void {
  if (n == 0) return;
  clear(sa, 0, n);
  buckets<T>(text, n, bucket, alphabet, true);
  const count = placeLms<T>(text, n, sa, bucket);
  if (count > 1) {
    sortSubstrings<T>(text, n, sa, bucket, alphabet);
    for (let i = 0, to = 0; to < count; i++) {
      const j = get(sa, i);
      if (j > 0) set(sa, to++, j);
    }
    const names = nameSubstrings<T>(text, n, sa, count);
    if (names < count) {
      const reduced = sa + (<usize>(n - count) << 2);
      const inner = room(sa + (<usize>count << 2), n - 2 * count, names, beyond);
      const innerBeyond = inner == beyond ? beyond + (<usize>names << 2) : beyond;
      sort<i32>(reduced, count, sa, inner, names, innerBeyond);
      listLms<T>(text, n, sa);
      for (let i = 0; i < count; i++) set(sa, i, get(reduced, get(sa, i)));
    }
    clear(sa, count, n);
    buckets<T>(text, n, bucket, alphabet, true);
    for (let i = count - 1; i >= 0; i--) {
      const position = get(sa, i);
      set(sa, i, 0);
      const c = symbol<T>(text, position);
      const slot = get(bucket, c) - 1;
      set(bucket, c, slot);
      set(sa, slot, position);
    }
  }
  induce<T>(text, n, sa, bucket, alphabet);
}

/**
 * Sorts the suffixes of the n symbols at `text`, each `width` bytes (1 or 2) and below `alphabet`, into the n numbers
 * at `sa` (aligned to 4). `bucket` has room for `alphabet` numbers; from `beyond` on memory is unused and may grow.
 */
export function suffixSort(
  text: usize,
  width: i32,
  n: i32,
  sa: usize,
  bucket: usize,
  alphabet: i32,
  beyond: usize,
): void {
  if (width == 1) sort<u8>(text, n, sa, bucket, alphabet, beyond);
  else sort<u16>(text, n, sa, bucket, alphabet, beyond);
}

/** What entry i shares with the one before it, at most `most`, and its symbol there. */
@inline
function mark<T>(text: usize, n: i32, sa: usize, i: i32, most: i32): i32 {
  const position = get(sa, i);
  const length = shared<T>(text, n, get(sa, i - 1), position, most);
  const next = position + length < n ? symbol<T>(text, position + length) : 0;
  return (length << (sizeof<T>() == 1 ? 8 : 9)) | next;
}

function writeLeafOf<T>(text: usize, n: i32, sa: usize, entries: i32, first: i32, out: usize, most: i32): void {
  const count = min(64, entries - first);
  let read = 0;
  for (let i = 0; i < count; i++) {
    const ahead = first + i + AHEAD;
    if (ahead < entries) read += symbol<T>(text, get(sa, ahead));
    if (i > 0) store<u16>(out + (<usize>i << 1), mark<T>(text, n, sa, first + i, most));
    store<i32>(out + 128 + (<usize>i << 2), get(sa, first + i));
  }
  touched = read;
}

/**
 * Pages of leaves (attribution/shard-layout.ts) from leaf `leaf` on into `out`: 10 leaves of 384 bytes a page of 4,096.
 * `sa` has `entries` entries, all of which are to be in leaves. Marks say `most` at most.
 */
export function writeLeafPages(
  width: i32,
  text: usize,
  n: i32,
  sa: usize,
  entries: i32,
  leaf: i32,
  pages: i32,
  out: usize,
  most: i32,
): void {
  memory.fill(out, 0, <usize>pages << 12);
  for (let page = 0; page < pages; page++) {
    for (let k = 0; k < 10; k++) {
      const first = (leaf + page * 10 + k) << 6;
      if (first >= entries) return;
      const to = out + (<usize>page << 12) + <usize>k * 384;
      if (width == 1) writeLeafOf<u8>(text, n, sa, entries, first, to, most);
      else writeLeafOf<u16>(text, n, sa, entries, first, to, most);
    }
  }
}

/** The next hash of 16 symbols: `added` comes, `removed` goes. */
@inline
function roll(hash: u32, added: u32, removed: u32): u32 {
  return hash * 0x2c9277b5 + added - removed * 0x1cf7a6c1;
}

/** Spreads a hash's bits: their order among each other, and where they are noted. */
@inline
function spread(hash: u32): u32 {
  let x = hash ^ (hash >>> 16);
  x *= 0x7feb352d;
  x ^= x >>> 15;
  x *= 0x846ca68b;
  return x ^ (x >>> 16);
}

@inline
function note(filter: usize, bits: u32, hash: u32): void {
  // Three bits of one line of 512. What is noted are small hashes: they are spread once more.
  let x = hash * 0x9e3779b1;
  const line = <u32>((<u64>x * <u64>(bits >>> 9)) >>> 32) << 9;
  x = (x ^ (x >>> 15)) * 0x85ebca6b;
  x >>>= 5;
  for (let k = 0; k < 3; k++) {
    const bit = line + (x & 511);
    const at = filter + (bit >>> 3);
    store<u8>(at, <u32>load<u8>(at) | (<u32>1 << (bit & 7)));
    x >>>= 9;
  }
}

/**
 * Notes in a filter of `bits` (a multiple of 512) the smallest hash of each 9 neighbouring runs of 16 symbols within a
 * contribution (attribution/shard-filter.ts). Continues over a piece [from, to) of the text: pieces overlap by 24 symbols.
 */
export function fillFilter(width: i32, text: usize, from: i32, to: i32, filter: usize, bits: u32): void {
  if (width == 1) fillFilterOf<u8>(text, from, to, filter, bits);
  else fillFilterOf<u16>(text, from, to, filter, bits);
}

function fillFilterOf<T>(text: usize, from: i32, to: i32, filter: usize, bits: u32): void {
  let hash: u32 = 0;
  let run = 0; // symbols since the separator
  let smallest: u32 = 0;
  let smallestAt = -1;
  for (let i = from; i < to; i++) {
    const added = symbol<T>(text, i);
    if (added == 0) {
      run = 0;
      hash = 0;
      continue;
    }
    hash = roll(hash, added, run >= 16 ? symbol<T>(text, i - 16) : 0);
    run++;
    if (run < 16) continue;
    const value = spread(hash);
    if (run == 16 || value <= smallest) {
      smallest = value;
      smallestAt = i;
      if (run >= 24) note(filter, bits, smallest);
      continue;
    }
    if (smallestAt <= i - 9) {
      // It left: the smallest of the last 9, from the oldest on.
      let other = hashAt<T>(text, i - 8);
      smallest = spread(other);
      smallestAt = i - 8;
      for (let k = i - 7; k <= i; k++) {
        other = roll(other, symbol<T>(text, k), symbol<T>(text, k - 16));
        const one = spread(other);
        if (one <= smallest) {
          smallest = one;
          smallestAt = k;
        }
      }
      note(filter, bits, smallest);
    } else if (run == 24) {
      note(filter, bits, smallest);
    }
  }
}

/** Hash of the 16 symbols up to and including `at`. */
function hashAt<T>(text: usize, at: i32): u32 {
  let hash: u32 = 0;
  for (let k = at - 15; k <= at; k++) hash = roll(hash, symbol<T>(text, k), 0);
  return hash;
}
