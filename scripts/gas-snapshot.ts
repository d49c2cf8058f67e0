/** Measures what the L1 contracts cost and writes contracts/gas-snapshot.json, which a test compares. */
import { writeGasSnapshot } from "../test/helpers/gas-snapshot.ts";

await writeGasSnapshot();
