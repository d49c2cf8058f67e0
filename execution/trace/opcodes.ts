/** geth's names of the opcodes, and how many words each takes from the stack and puts there. */

interface OpcodeShape {
  readonly name: string;
  readonly takes: number;
  readonly puts: number;
}

/** Number of the first, then names that follow one another with what they take and put. */
const RANGES = `
00 STOP:0:0 ADD:2:1 MUL:2:1 SUB:2:1 DIV:2:1 SDIV:2:1 MOD:2:1 SMOD:2:1 ADDMOD:3:1 MULMOD:3:1 EXP:2:1 SIGNEXTEND:2:1
10 LT:2:1 GT:2:1 SLT:2:1 SGT:2:1 EQ:2:1 ISZERO:1:1 AND:2:1 OR:2:1 XOR:2:1 NOT:1:1 BYTE:2:1 SHL:2:1 SHR:2:1 SAR:2:1
1e CLZ:1:1
20 KECCAK256:2:1
30 ADDRESS:0:1 BALANCE:1:1 ORIGIN:0:1 CALLER:0:1 CALLVALUE:0:1 CALLDATALOAD:1:1 CALLDATASIZE:0:1 CALLDATACOPY:3:0
38 CODESIZE:0:1 CODECOPY:3:0 GASPRICE:0:1 EXTCODESIZE:1:1 EXTCODECOPY:4:0 RETURNDATASIZE:0:1 RETURNDATACOPY:3:0
3f EXTCODEHASH:1:1
40 BLOCKHASH:1:1 COINBASE:0:1 TIMESTAMP:0:1 NUMBER:0:1 DIFFICULTY:0:1 GASLIMIT:0:1 CHAINID:0:1 SELFBALANCE:0:1
48 BASEFEE:0:1 BLOBHASH:1:1 BLOBBASEFEE:0:1
50 POP:1:0 MLOAD:1:1 MSTORE:2:0 MSTORE8:2:0 SLOAD:1:1 SSTORE:2:0 JUMP:1:0 JUMPI:2:0 PC:0:1 MSIZE:0:1 GAS:0:1
5b JUMPDEST:0:0 TLOAD:1:1 TSTORE:2:0 MCOPY:3:0 PUSH0:0:1
f0 CREATE:3:1 CALL:7:1 CALLCODE:7:1 RETURN:2:0 DELEGATECALL:6:1 CREATE2:4:1
fa STATICCALL:6:1
fd REVERT:2:0 INVALID:0:0 SELFDESTRUCT:1:0
`;

/** By opcode; undefined where none is defined. */
const OPCODES: readonly (OpcodeShape | undefined)[] = table();

function table(): (OpcodeShape | undefined)[] {
  const opcodes = new Array<OpcodeShape | undefined>(256).fill(undefined);
  for (const range of RANGES.trim().split("\n")) {
    const [first, ...names] = range.split(" ");
    for (const [index, entry] of names.entries()) {
      const [name, takes, puts] = entry.split(":");
      opcodes[Number.parseInt(first!, 16) + index] = { name: name!, takes: Number(takes), puts: Number(puts) };
    }
  }
  for (let n = 1; n <= 32; n++) opcodes[0x5f + n] = { name: `PUSH${n}`, takes: 0, puts: 1 };
  for (let n = 1; n <= 16; n++) {
    opcodes[0x7f + n] = { name: `DUP${n}`, takes: n, puts: n + 1 };
    opcodes[0x8f + n] = { name: `SWAP${n}`, takes: n + 1, puts: n + 1 };
  }
  for (let n = 0; n <= 4; n++) opcodes[0xa0 + n] = { name: `LOG${n}`, takes: n + 2, puts: 0 };
  return opcodes;
}

const STACK_LIMIT = 1_024;

export function opcodeName(op: number): string {
  return OPCODES[op]?.name ?? `opcode 0x${op.toString(16)} not defined`;
}

/** geth's words for why the opcode cannot run on a stack of this many words; undefined when it can. */
export function stackFault(op: number, stackSize: number): string | undefined {
  const shape = OPCODES[op];
  if (shape === undefined) return undefined;
  if (stackSize < shape.takes) return `stack underflow (${stackSize} <=> ${shape.takes})`;
  const limit = STACK_LIMIT + shape.takes - shape.puts;
  return stackSize > limit ? `stack limit reached ${stackSize} (${limit})` : undefined;
}
