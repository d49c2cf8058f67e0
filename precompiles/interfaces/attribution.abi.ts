// Generated from IAttribution.sol by `npm run abi`. Do not edit.
export const attributionAbi = [
  {
    "inputs": [
      {
        "internalType": "address",
        "name": "recovered",
        "type": "address"
      },
      {
        "internalType": "address",
        "name": "host",
        "type": "address"
      }
    ],
    "name": "BadSignature",
    "type": "error"
  },
  {
    "inputs": [
      {
        "internalType": "uint256",
        "name": "start",
        "type": "uint256"
      },
      {
        "internalType": "uint256",
        "name": "end",
        "type": "uint256"
      }
    ],
    "name": "ChunksMissing",
    "type": "error"
  },
  {
    "inputs": [
      {
        "internalType": "bytes32",
        "name": "computed",
        "type": "bytes32"
      },
      {
        "internalType": "bytes32",
        "name": "batchRoot",
        "type": "bytes32"
      }
    ],
    "name": "ClaimMismatch",
    "type": "error"
  },
  {
    "inputs": [
      {
        "internalType": "uint256",
        "name": "at",
        "type": "uint256"
      }
    ],
    "name": "ContentDiffers",
    "type": "error"
  },
  {
    "inputs": [
      {
        "internalType": "uint256",
        "name": "index",
        "type": "uint256"
      },
      {
        "internalType": "uint256",
        "name": "contributionId",
        "type": "uint256"
      }
    ],
    "name": "ContributionNotInModel",
    "type": "error"
  },
  {
    "inputs": [
      {
        "internalType": "uint256",
        "name": "inferenceId",
        "type": "uint256"
      },
      {
        "internalType": "uint64",
        "name": "deadline",
        "type": "uint64"
      }
    ],
    "name": "DeadlineNotPassed",
    "type": "error"
  },
  {
    "inputs": [
      {
        "internalType": "uint256",
        "name": "inferenceId",
        "type": "uint256"
      },
      {
        "internalType": "uint64",
        "name": "deadline",
        "type": "uint64"
      }
    ],
    "name": "DeadlinePassed",
    "type": "error"
  },
  {
    "inputs": [
      {
        "internalType": "uint256",
        "name": "contributionId",
        "type": "uint256"
      },
      {
        "internalType": "uint64",
        "name": "chunk",
        "type": "uint64"
      }
    ],
    "name": "DemandExists",
    "type": "error"
  },
  {
    "inputs": [
      {
        "internalType": "uint256",
        "name": "contributionId",
        "type": "uint256"
      },
      {
        "internalType": "uint64",
        "name": "chunk",
        "type": "uint64"
      },
      {
        "internalType": "uint64",
        "name": "deadline",
        "type": "uint64"
      }
    ],
    "name": "DemandOpen",
    "type": "error"
  },
  {
    "inputs": [
      {
        "internalType": "uint256",
        "name": "inferenceId",
        "type": "uint256"
      },
      {
        "internalType": "uint64",
        "name": "until",
        "type": "uint64"
      }
    ],
    "name": "DemandTooLate",
    "type": "error"
  },
  {
    "inputs": [
      {
        "internalType": "uint256",
        "name": "inferenceId",
        "type": "uint256"
      },
      {
        "internalType": "uint256",
        "name": "count",
        "type": "uint256"
      }
    ],
    "name": "DemandsOpen",
    "type": "error"
  },
  {
    "inputs": [],
    "name": "EmptyBatch",
    "type": "error"
  },
  {
    "inputs": [],
    "name": "EmptyOutput",
    "type": "error"
  },
  {
    "inputs": [],
    "name": "EmptyRequest",
    "type": "error"
  },
  {
    "inputs": [
      {
        "internalType": "uint256",
        "name": "escrow",
        "type": "uint256"
      }
    ],
    "name": "EscrowTooLarge",
    "type": "error"
  },
  {
    "inputs": [
      {
        "internalType": "uint256",
        "name": "escrow",
        "type": "uint256"
      },
      {
        "internalType": "uint256",
        "name": "required",
        "type": "uint256"
      }
    ],
    "name": "EscrowTooSmall",
    "type": "error"
  },
  {
    "inputs": [
      {
        "internalType": "uint256",
        "name": "fee",
        "type": "uint256"
      },
      {
        "internalType": "uint256",
        "name": "escrow",
        "type": "uint256"
      }
    ],
    "name": "FeeExceedsEscrow",
    "type": "error"
  },
  {
    "inputs": [
      {
        "internalType": "uint256",
        "name": "index",
        "type": "uint256"
      },
      {
        "internalType": "uint256",
        "name": "length",
        "type": "uint256"
      }
    ],
    "name": "IndexOutOfRange",
    "type": "error"
  },
  {
    "inputs": [
      {
        "internalType": "uint256",
        "name": "free",
        "type": "uint256"
      },
      {
        "internalType": "uint256",
        "name": "required",
        "type": "uint256"
      }
    ],
    "name": "InsufficientStake",
    "type": "error"
  },
  {
    "inputs": [
      {
        "internalType": "bytes32",
        "name": "computed",
        "type": "bytes32"
      },
      {
        "internalType": "bytes32",
        "name": "root",
        "type": "bytes32"
      }
    ],
    "name": "InvalidProof",
    "type": "error"
  },
  {
    "inputs": [
      {
        "internalType": "uint256",
        "name": "inferenceId",
        "type": "uint256"
      },
      {
        "internalType": "address",
        "name": "caller",
        "type": "address"
      }
    ],
    "name": "NotAuditor",
    "type": "error"
  },
  {
    "inputs": [
      {
        "internalType": "uint256",
        "name": "inferenceId",
        "type": "uint256"
      }
    ],
    "name": "NotDirect",
    "type": "error"
  },
  {
    "inputs": [
      {
        "internalType": "uint256",
        "name": "contributionId",
        "type": "uint256"
      },
      {
        "internalType": "uint256",
        "name": "claimed",
        "type": "uint256"
      }
    ],
    "name": "NotEarlier",
    "type": "error"
  },
  {
    "inputs": [
      {
        "internalType": "uint256",
        "name": "modelId",
        "type": "uint256"
      },
      {
        "internalType": "address",
        "name": "host",
        "type": "address"
      }
    ],
    "name": "NotHost",
    "type": "error"
  },
  {
    "inputs": [
      {
        "internalType": "address",
        "name": "caller",
        "type": "address"
      }
    ],
    "name": "NotPayer",
    "type": "error"
  },
  {
    "inputs": [
      {
        "internalType": "address",
        "name": "account",
        "type": "address"
      }
    ],
    "name": "NothingToClaim",
    "type": "error"
  },
  {
    "inputs": [
      {
        "internalType": "uint256",
        "name": "given",
        "type": "uint256"
      },
      {
        "internalType": "uint256",
        "name": "expected",
        "type": "uint256"
      }
    ],
    "name": "OutputLengthMismatch",
    "type": "error"
  },
  {
    "inputs": [
      {
        "internalType": "bytes32",
        "name": "computed",
        "type": "bytes32"
      },
      {
        "internalType": "bytes32",
        "name": "claimed",
        "type": "bytes32"
      }
    ],
    "name": "OutputMismatch",
    "type": "error"
  },
  {
    "inputs": [
      {
        "internalType": "uint256",
        "name": "length",
        "type": "uint256"
      },
      {
        "internalType": "uint256",
        "name": "limit",
        "type": "uint256"
      }
    ],
    "name": "OutputTooLong",
    "type": "error"
  },
  {
    "inputs": [
      {
        "internalType": "uint256",
        "name": "spanIndex",
        "type": "uint256"
      }
    ],
    "name": "RangeCovered",
    "type": "error"
  },
  {
    "inputs": [
      {
        "internalType": "uint256",
        "name": "position",
        "type": "uint256"
      }
    ],
    "name": "RangeNotAtWord",
    "type": "error"
  },
  {
    "inputs": [
      {
        "internalType": "uint256",
        "name": "start",
        "type": "uint256"
      },
      {
        "internalType": "uint256",
        "name": "end",
        "type": "uint256"
      }
    ],
    "name": "RangeNotInWindow",
    "type": "error"
  },
  {
    "inputs": [
      {
        "internalType": "uint256",
        "name": "length",
        "type": "uint256"
      },
      {
        "internalType": "uint256",
        "name": "shortest",
        "type": "uint256"
      }
    ],
    "name": "RangeNotLongest",
    "type": "error"
  },
  {
    "inputs": [
      {
        "internalType": "uint256",
        "name": "length",
        "type": "uint256"
      },
      {
        "internalType": "uint256",
        "name": "minimum",
        "type": "uint256"
      }
    ],
    "name": "RangeTooShort",
    "type": "error"
  },
  {
    "inputs": [
      {
        "internalType": "uint256",
        "name": "length",
        "type": "uint256"
      },
      {
        "internalType": "uint256",
        "name": "limit",
        "type": "uint256"
      }
    ],
    "name": "RequestTooLong",
    "type": "error"
  },
  {
    "inputs": [],
    "name": "SameAnswer",
    "type": "error"
  },
  {
    "inputs": [
      {
        "internalType": "uint256",
        "name": "index",
        "type": "uint256"
      }
    ],
    "name": "SpanAcrossWindows",
    "type": "error"
  },
  {
    "inputs": [
      {
        "internalType": "uint256",
        "name": "spanIndex",
        "type": "uint256"
      }
    ],
    "name": "SpanHolds",
    "type": "error"
  },
  {
    "inputs": [
      {
        "internalType": "uint256",
        "name": "index",
        "type": "uint256"
      },
      {
        "internalType": "uint256",
        "name": "position",
        "type": "uint256"
      }
    ],
    "name": "SpanNotAtWord",
    "type": "error"
  },
  {
    "inputs": [
      {
        "internalType": "uint256",
        "name": "index",
        "type": "uint256"
      }
    ],
    "name": "SpanOutOfContent",
    "type": "error"
  },
  {
    "inputs": [
      {
        "internalType": "uint256",
        "name": "index",
        "type": "uint256"
      }
    ],
    "name": "SpanOutOfOutput",
    "type": "error"
  },
  {
    "inputs": [
      {
        "internalType": "uint256",
        "name": "index",
        "type": "uint256"
      },
      {
        "internalType": "uint256",
        "name": "length",
        "type": "uint256"
      },
      {
        "internalType": "uint256",
        "name": "minimum",
        "type": "uint256"
      }
    ],
    "name": "SpanTooShort",
    "type": "error"
  },
  {
    "inputs": [
      {
        "internalType": "uint256",
        "name": "index",
        "type": "uint256"
      }
    ],
    "name": "SpansNotRising",
    "type": "error"
  },
  {
    "inputs": [
      {
        "internalType": "uint256",
        "name": "stake",
        "type": "uint256"
      }
    ],
    "name": "StakeTooLarge",
    "type": "error"
  },
  {
    "inputs": [
      {
        "internalType": "uint256",
        "name": "limit",
        "type": "uint256"
      }
    ],
    "name": "TooManyDemands",
    "type": "error"
  },
  {
    "inputs": [
      {
        "internalType": "uint256",
        "name": "count",
        "type": "uint256"
      },
      {
        "internalType": "uint256",
        "name": "limit",
        "type": "uint256"
      }
    ],
    "name": "TooManyItems",
    "type": "error"
  },
  {
    "inputs": [
      {
        "internalType": "uint256",
        "name": "count",
        "type": "uint256"
      },
      {
        "internalType": "uint256",
        "name": "limit",
        "type": "uint256"
      }
    ],
    "name": "TooManySpans",
    "type": "error"
  },
  {
    "inputs": [
      {
        "internalType": "uint256",
        "name": "contributionId",
        "type": "uint256"
      },
      {
        "internalType": "uint64",
        "name": "chunk",
        "type": "uint64"
      }
    ],
    "name": "UnknownDemand",
    "type": "error"
  },
  {
    "inputs": [
      {
        "internalType": "uint256",
        "name": "inferenceId",
        "type": "uint256"
      }
    ],
    "name": "UnknownInference",
    "type": "error"
  },
  {
    "inputs": [
      {
        "internalType": "uint256",
        "name": "modelId",
        "type": "uint256"
      }
    ],
    "name": "UnknownModel",
    "type": "error"
  },
  {
    "inputs": [
      {
        "internalType": "uint256",
        "name": "inferenceId",
        "type": "uint256"
      },
      {
        "internalType": "uint64",
        "name": "settleAfter",
        "type": "uint64"
      }
    ],
    "name": "WindowClosed",
    "type": "error"
  },
  {
    "inputs": [
      {
        "internalType": "uint256",
        "name": "inferenceId",
        "type": "uint256"
      },
      {
        "internalType": "uint64",
        "name": "settleAfter",
        "type": "uint64"
      }
    ],
    "name": "WindowOpen",
    "type": "error"
  },
  {
    "inputs": [
      {
        "internalType": "uint256",
        "name": "sent",
        "type": "uint256"
      },
      {
        "internalType": "uint256",
        "name": "required",
        "type": "uint256"
      }
    ],
    "name": "WrongBond",
    "type": "error"
  },
  {
    "inputs": [
      {
        "internalType": "uint256",
        "name": "inferenceId",
        "type": "uint256"
      },
      {
        "internalType": "enum IAttribution.State",
        "name": "state",
        "type": "uint8"
      }
    ],
    "name": "WrongState",
    "type": "error"
  },
  {
    "inputs": [],
    "name": "ZeroAmount",
    "type": "error"
  },
  {
    "anonymous": false,
    "inputs": [
      {
        "indexed": true,
        "internalType": "uint256",
        "name": "inferenceId",
        "type": "uint256"
      },
      {
        "indexed": true,
        "internalType": "address",
        "name": "auditor",
        "type": "address"
      },
      {
        "indexed": false,
        "internalType": "bool",
        "name": "allowed",
        "type": "bool"
      }
    ],
    "name": "AuditorSet",
    "type": "event"
  },
  {
    "anonymous": false,
    "inputs": [
      {
        "indexed": true,
        "internalType": "uint256",
        "name": "batchId",
        "type": "uint256"
      },
      {
        "indexed": false,
        "internalType": "bytes32",
        "name": "root",
        "type": "bytes32"
      },
      {
        "indexed": false,
        "internalType": "uint32",
        "name": "count",
        "type": "uint32"
      }
    ],
    "name": "BatchCommitted",
    "type": "event"
  },
  {
    "anonymous": false,
    "inputs": [
      {
        "indexed": true,
        "internalType": "uint256",
        "name": "inferenceId",
        "type": "uint256"
      },
      {
        "indexed": true,
        "internalType": "uint256",
        "name": "contributionId",
        "type": "uint256"
      },
      {
        "indexed": true,
        "internalType": "address",
        "name": "demander",
        "type": "address"
      },
      {
        "indexed": false,
        "internalType": "uint64",
        "name": "chunk",
        "type": "uint64"
      },
      {
        "indexed": false,
        "internalType": "uint64",
        "name": "deadline",
        "type": "uint64"
      },
      {
        "indexed": false,
        "internalType": "uint256",
        "name": "bond",
        "type": "uint256"
      }
    ],
    "name": "ChunkDemanded",
    "type": "event"
  },
  {
    "anonymous": false,
    "inputs": [
      {
        "indexed": true,
        "internalType": "uint256",
        "name": "inferenceId",
        "type": "uint256"
      },
      {
        "indexed": true,
        "internalType": "uint256",
        "name": "contributionId",
        "type": "uint256"
      },
      {
        "indexed": true,
        "internalType": "address",
        "name": "by",
        "type": "address"
      },
      {
        "indexed": false,
        "internalType": "uint64",
        "name": "chunk",
        "type": "uint64"
      },
      {
        "indexed": false,
        "internalType": "uint64",
        "name": "settleAfter",
        "type": "uint64"
      }
    ],
    "name": "ChunkShown",
    "type": "event"
  },
  {
    "anonymous": false,
    "inputs": [
      {
        "indexed": true,
        "internalType": "uint256",
        "name": "inferenceId",
        "type": "uint256"
      },
      {
        "indexed": true,
        "internalType": "uint256",
        "name": "contributionId",
        "type": "uint256"
      },
      {
        "indexed": true,
        "internalType": "address",
        "name": "demander",
        "type": "address"
      },
      {
        "indexed": false,
        "internalType": "uint64",
        "name": "chunk",
        "type": "uint64"
      },
      {
        "indexed": false,
        "internalType": "uint256",
        "name": "bond",
        "type": "uint256"
      }
    ],
    "name": "DemandReturned",
    "type": "event"
  },
  {
    "anonymous": false,
    "inputs": [
      {
        "indexed": true,
        "internalType": "uint256",
        "name": "inferenceId",
        "type": "uint256"
      },
      {
        "indexed": true,
        "internalType": "address",
        "name": "payer",
        "type": "address"
      },
      {
        "indexed": false,
        "internalType": "uint256",
        "name": "refund",
        "type": "uint256"
      }
    ],
    "name": "InferenceExpired",
    "type": "event"
  },
  {
    "anonymous": false,
    "inputs": [
      {
        "indexed": true,
        "internalType": "uint256",
        "name": "inferenceId",
        "type": "uint256"
      },
      {
        "indexed": true,
        "internalType": "uint256",
        "name": "modelId",
        "type": "uint256"
      },
      {
        "indexed": true,
        "internalType": "address",
        "name": "payer",
        "type": "address"
      },
      {
        "indexed": false,
        "internalType": "address",
        "name": "host",
        "type": "address"
      },
      {
        "indexed": false,
        "internalType": "bytes32",
        "name": "requestRoot",
        "type": "bytes32"
      },
      {
        "indexed": false,
        "internalType": "uint32",
        "name": "requestBytes",
        "type": "uint32"
      },
      {
        "indexed": false,
        "internalType": "enum IAttribution.Audience",
        "name": "audience",
        "type": "uint8"
      },
      {
        "indexed": false,
        "internalType": "uint256",
        "name": "escrow",
        "type": "uint256"
      },
      {
        "indexed": false,
        "internalType": "uint64",
        "name": "commitDeadline",
        "type": "uint64"
      },
      {
        "indexed": false,
        "internalType": "uint16",
        "name": "minSpan",
        "type": "uint16"
      },
      {
        "indexed": false,
        "internalType": "uint128",
        "name": "requestPrice",
        "type": "uint128"
      },
      {
        "indexed": false,
        "internalType": "uint128",
        "name": "outputPrice",
        "type": "uint128"
      },
      {
        "indexed": false,
        "internalType": "uint256",
        "name": "platformFee",
        "type": "uint256"
      }
    ],
    "name": "InferenceRequested",
    "type": "event"
  },
  {
    "anonymous": false,
    "inputs": [
      {
        "indexed": true,
        "internalType": "uint256",
        "name": "inferenceId",
        "type": "uint256"
      },
      {
        "indexed": true,
        "internalType": "uint256",
        "name": "modelId",
        "type": "uint256"
      },
      {
        "indexed": false,
        "internalType": "uint256",
        "name": "fee",
        "type": "uint256"
      },
      {
        "indexed": false,
        "internalType": "uint256",
        "name": "refund",
        "type": "uint256"
      },
      {
        "indexed": false,
        "internalType": "uint256",
        "name": "platformFee",
        "type": "uint256"
      },
      {
        "indexed": false,
        "internalType": "uint256",
        "name": "contributorsPaid",
        "type": "uint256"
      },
      {
        "indexed": false,
        "internalType": "uint256",
        "name": "modelPaid",
        "type": "uint256"
      },
      {
        "indexed": false,
        "internalType": "uint256",
        "name": "stakersPaid",
        "type": "uint256"
      },
      {
        "indexed": false,
        "internalType": "uint256",
        "name": "treasuryPaid",
        "type": "uint256"
      }
    ],
    "name": "InferenceSettled",
    "type": "event"
  },
  {
    "anonymous": false,
    "inputs": [
      {
        "indexed": true,
        "internalType": "uint256",
        "name": "inferenceId",
        "type": "uint256"
      },
      {
        "indexed": true,
        "internalType": "uint256",
        "name": "modelId",
        "type": "uint256"
      },
      {
        "indexed": true,
        "internalType": "address",
        "name": "host",
        "type": "address"
      },
      {
        "indexed": false,
        "internalType": "enum IAttribution.Fault",
        "name": "fault",
        "type": "uint8"
      },
      {
        "indexed": false,
        "internalType": "address",
        "name": "challenger",
        "type": "address"
      },
      {
        "indexed": false,
        "internalType": "uint256",
        "name": "contributionId",
        "type": "uint256"
      },
      {
        "indexed": false,
        "internalType": "uint256",
        "name": "refund",
        "type": "uint256"
      },
      {
        "indexed": false,
        "internalType": "uint256",
        "name": "slashed",
        "type": "uint256"
      }
    ],
    "name": "InferenceVoided",
    "type": "event"
  },
  {
    "anonymous": false,
    "inputs": [
      {
        "indexed": true,
        "internalType": "uint256",
        "name": "inferenceId",
        "type": "uint256"
      },
      {
        "indexed": true,
        "internalType": "uint256",
        "name": "modelId",
        "type": "uint256"
      },
      {
        "indexed": true,
        "internalType": "address",
        "name": "host",
        "type": "address"
      },
      {
        "indexed": false,
        "internalType": "uint256",
        "name": "batchId",
        "type": "uint256"
      },
      {
        "indexed": false,
        "internalType": "uint32",
        "name": "index",
        "type": "uint32"
      },
      {
        "indexed": false,
        "internalType": "bytes32",
        "name": "outputRoot",
        "type": "bytes32"
      },
      {
        "indexed": false,
        "internalType": "uint32",
        "name": "outputBytes",
        "type": "uint32"
      },
      {
        "indexed": false,
        "internalType": "uint32",
        "name": "coveredBytes",
        "type": "uint32"
      },
      {
        "indexed": false,
        "internalType": "uint256",
        "name": "fee",
        "type": "uint256"
      },
      {
        "indexed": false,
        "internalType": "uint256",
        "name": "stakeLocked",
        "type": "uint256"
      },
      {
        "indexed": false,
        "internalType": "uint64",
        "name": "settleAfter",
        "type": "uint64"
      },
      {
        "components": [
          {
            "internalType": "uint32",
            "name": "outputStart",
            "type": "uint32"
          },
          {
            "internalType": "uint32",
            "name": "length",
            "type": "uint32"
          },
          {
            "internalType": "uint64",
            "name": "contribution",
            "type": "uint64"
          },
          {
            "internalType": "uint64",
            "name": "contentOffset",
            "type": "uint64"
          }
        ],
        "indexed": false,
        "internalType": "struct IAttribution.Span[]",
        "name": "spans",
        "type": "tuple[]"
      }
    ],
    "name": "OutputCommitted",
    "type": "event"
  },
  {
    "anonymous": false,
    "inputs": [
      {
        "indexed": true,
        "internalType": "uint256",
        "name": "inferenceId",
        "type": "uint256"
      },
      {
        "indexed": true,
        "internalType": "address",
        "name": "account",
        "type": "address"
      },
      {
        "indexed": true,
        "internalType": "enum IAttribution.RewardKind",
        "name": "kind",
        "type": "uint8"
      },
      {
        "indexed": false,
        "internalType": "uint256",
        "name": "source",
        "type": "uint256"
      },
      {
        "indexed": false,
        "internalType": "uint256",
        "name": "weight",
        "type": "uint256"
      },
      {
        "indexed": false,
        "internalType": "uint256",
        "name": "amount",
        "type": "uint256"
      }
    ],
    "name": "RewardAccrued",
    "type": "event"
  },
  {
    "anonymous": false,
    "inputs": [
      {
        "indexed": true,
        "internalType": "address",
        "name": "account",
        "type": "address"
      },
      {
        "indexed": true,
        "internalType": "address",
        "name": "caller",
        "type": "address"
      },
      {
        "indexed": false,
        "internalType": "uint256",
        "name": "amount",
        "type": "uint256"
      }
    ],
    "name": "RewardClaimed",
    "type": "event"
  },
  {
    "anonymous": false,
    "inputs": [
      {
        "indexed": true,
        "internalType": "address",
        "name": "host",
        "type": "address"
      },
      {
        "indexed": false,
        "internalType": "uint256",
        "name": "amount",
        "type": "uint256"
      },
      {
        "indexed": false,
        "internalType": "uint256",
        "name": "total",
        "type": "uint256"
      }
    ],
    "name": "StakeDeposited",
    "type": "event"
  },
  {
    "anonymous": false,
    "inputs": [
      {
        "indexed": true,
        "internalType": "address",
        "name": "host",
        "type": "address"
      },
      {
        "indexed": true,
        "internalType": "uint256",
        "name": "inferenceId",
        "type": "uint256"
      },
      {
        "indexed": false,
        "internalType": "uint256",
        "name": "amount",
        "type": "uint256"
      },
      {
        "indexed": false,
        "internalType": "uint256",
        "name": "total",
        "type": "uint256"
      }
    ],
    "name": "StakeSlashed",
    "type": "event"
  },
  {
    "anonymous": false,
    "inputs": [
      {
        "indexed": true,
        "internalType": "address",
        "name": "host",
        "type": "address"
      },
      {
        "indexed": false,
        "internalType": "uint256",
        "name": "amount",
        "type": "uint256"
      },
      {
        "indexed": false,
        "internalType": "uint256",
        "name": "total",
        "type": "uint256"
      }
    ],
    "name": "StakeWithdrawn",
    "type": "event"
  },
  {
    "inputs": [
      {
        "internalType": "address",
        "name": "account",
        "type": "address"
      }
    ],
    "name": "accrued",
    "outputs": [
      {
        "internalType": "uint256",
        "name": "",
        "type": "uint256"
      }
    ],
    "stateMutability": "view",
    "type": "function"
  },
  {
    "inputs": [
      {
        "internalType": "uint256",
        "name": "inferenceId",
        "type": "uint256"
      },
      {
        "internalType": "bytes32",
        "name": "requestRoot",
        "type": "bytes32"
      },
      {
        "internalType": "bytes32",
        "name": "outputRoot",
        "type": "bytes32"
      },
      {
        "internalType": "uint32",
        "name": "outputBytes",
        "type": "uint32"
      },
      {
        "internalType": "bytes32",
        "name": "spansHash",
        "type": "bytes32"
      }
    ],
    "name": "answerDigest",
    "outputs": [
      {
        "internalType": "bytes32",
        "name": "",
        "type": "bytes32"
      }
    ],
    "stateMutability": "view",
    "type": "function"
  },
  {
    "inputs": [
      {
        "internalType": "uint256",
        "name": "batchId",
        "type": "uint256"
      }
    ],
    "name": "batchRoot",
    "outputs": [
      {
        "internalType": "bytes32",
        "name": "",
        "type": "bytes32"
      }
    ],
    "stateMutability": "view",
    "type": "function"
  },
  {
    "inputs": [
      {
        "internalType": "address",
        "name": "account",
        "type": "address"
      }
    ],
    "name": "claim",
    "outputs": [
      {
        "internalType": "uint256",
        "name": "amount",
        "type": "uint256"
      }
    ],
    "stateMutability": "nonpayable",
    "type": "function"
  },
  {
    "inputs": [
      {
        "components": [
          {
            "internalType": "uint256",
            "name": "inferenceId",
            "type": "uint256"
          },
          {
            "internalType": "bytes32",
            "name": "outputRoot",
            "type": "bytes32"
          },
          {
            "internalType": "uint32",
            "name": "outputBytes",
            "type": "uint32"
          },
          {
            "internalType": "bytes",
            "name": "output",
            "type": "bytes"
          },
          {
            "components": [
              {
                "internalType": "uint32",
                "name": "outputStart",
                "type": "uint32"
              },
              {
                "internalType": "uint32",
                "name": "length",
                "type": "uint32"
              },
              {
                "internalType": "uint64",
                "name": "contribution",
                "type": "uint64"
              },
              {
                "internalType": "uint64",
                "name": "contentOffset",
                "type": "uint64"
              }
            ],
            "internalType": "struct IAttribution.Span[]",
            "name": "spans",
            "type": "tuple[]"
          },
          {
            "internalType": "bytes",
            "name": "signature",
            "type": "bytes"
          }
        ],
        "internalType": "struct IAttribution.Answer[]",
        "name": "answers",
        "type": "tuple[]"
      }
    ],
    "name": "commitOutputs",
    "outputs": [
      {
        "internalType": "uint256",
        "name": "batchId",
        "type": "uint256"
      }
    ],
    "stateMutability": "nonpayable",
    "type": "function"
  },
  {
    "inputs": [
      {
        "internalType": "uint256",
        "name": "inferenceId",
        "type": "uint256"
      },
      {
        "internalType": "uint256",
        "name": "contributionId",
        "type": "uint256"
      },
      {
        "internalType": "uint64",
        "name": "chunk",
        "type": "uint64"
      }
    ],
    "name": "demand",
    "outputs": [
      {
        "internalType": "address",
        "name": "demander",
        "type": "address"
      },
      {
        "internalType": "uint64",
        "name": "deadline",
        "type": "uint64"
      },
      {
        "internalType": "bool",
        "name": "closed",
        "type": "bool"
      },
      {
        "internalType": "uint256",
        "name": "bond",
        "type": "uint256"
      }
    ],
    "stateMutability": "view",
    "type": "function"
  },
  {
    "inputs": [
      {
        "internalType": "uint256",
        "name": "inferenceId",
        "type": "uint256"
      },
      {
        "internalType": "uint256",
        "name": "contributionId",
        "type": "uint256"
      },
      {
        "internalType": "uint64",
        "name": "chunk",
        "type": "uint64"
      }
    ],
    "name": "demandChunk",
    "outputs": [],
    "stateMutability": "payable",
    "type": "function"
  },
  {
    "inputs": [],
    "name": "depositStake",
    "outputs": [],
    "stateMutability": "payable",
    "type": "function"
  },
  {
    "inputs": [
      {
        "internalType": "uint256",
        "name": "inferenceId",
        "type": "uint256"
      }
    ],
    "name": "expire",
    "outputs": [],
    "stateMutability": "nonpayable",
    "type": "function"
  },
  {
    "inputs": [
      {
        "internalType": "uint256",
        "name": "inferenceId",
        "type": "uint256"
      }
    ],
    "name": "inference",
    "outputs": [
      {
        "components": [
          {
            "internalType": "enum IAttribution.State",
            "name": "state",
            "type": "uint8"
          },
          {
            "internalType": "enum IAttribution.Audience",
            "name": "audience",
            "type": "uint8"
          },
          {
            "internalType": "uint64",
            "name": "modelId",
            "type": "uint64"
          },
          {
            "internalType": "address",
            "name": "payer",
            "type": "address"
          },
          {
            "internalType": "address",
            "name": "host",
            "type": "address"
          },
          {
            "internalType": "uint64",
            "name": "requestedAt",
            "type": "uint64"
          },
          {
            "internalType": "uint64",
            "name": "commitDeadline",
            "type": "uint64"
          },
          {
            "internalType": "uint64",
            "name": "committedAt",
            "type": "uint64"
          },
          {
            "internalType": "uint64",
            "name": "settleAfter",
            "type": "uint64"
          },
          {
            "internalType": "uint32",
            "name": "requestBytes",
            "type": "uint32"
          },
          {
            "internalType": "uint16",
            "name": "minSpan",
            "type": "uint16"
          },
          {
            "internalType": "uint8",
            "name": "openDemands",
            "type": "uint8"
          },
          {
            "internalType": "uint8",
            "name": "extensions",
            "type": "uint8"
          },
          {
            "internalType": "uint128",
            "name": "escrow",
            "type": "uint128"
          },
          {
            "internalType": "uint128",
            "name": "requestPrice",
            "type": "uint128"
          },
          {
            "internalType": "uint128",
            "name": "outputPrice",
            "type": "uint128"
          },
          {
            "internalType": "uint128",
            "name": "platformFee",
            "type": "uint128"
          },
          {
            "internalType": "uint64",
            "name": "batchId",
            "type": "uint64"
          },
          {
            "internalType": "bytes32",
            "name": "requestRoot",
            "type": "bytes32"
          }
        ],
        "internalType": "struct IAttribution.Inference",
        "name": "",
        "type": "tuple"
      }
    ],
    "stateMutability": "view",
    "type": "function"
  },
  {
    "inputs": [],
    "name": "inferenceCount",
    "outputs": [
      {
        "internalType": "uint256",
        "name": "",
        "type": "uint256"
      }
    ],
    "stateMutability": "view",
    "type": "function"
  },
  {
    "inputs": [
      {
        "internalType": "uint256",
        "name": "inferenceId",
        "type": "uint256"
      },
      {
        "internalType": "address",
        "name": "account",
        "type": "address"
      }
    ],
    "name": "isAuditor",
    "outputs": [
      {
        "internalType": "bool",
        "name": "",
        "type": "bool"
      }
    ],
    "stateMutability": "view",
    "type": "function"
  },
  {
    "inputs": [
      {
        "components": [
          {
            "internalType": "uint256",
            "name": "inferenceId",
            "type": "uint256"
          },
          {
            "internalType": "bytes32",
            "name": "outputRoot",
            "type": "bytes32"
          },
          {
            "internalType": "uint32",
            "name": "outputBytes",
            "type": "uint32"
          },
          {
            "components": [
              {
                "internalType": "uint32",
                "name": "outputStart",
                "type": "uint32"
              },
              {
                "internalType": "uint32",
                "name": "length",
                "type": "uint32"
              },
              {
                "internalType": "uint64",
                "name": "contribution",
                "type": "uint64"
              },
              {
                "internalType": "uint64",
                "name": "contentOffset",
                "type": "uint64"
              }
            ],
            "internalType": "struct IAttribution.Span[]",
            "name": "spans",
            "type": "tuple[]"
          },
          {
            "internalType": "bytes32[]",
            "name": "proof",
            "type": "bytes32[]"
          }
        ],
        "internalType": "struct IAttribution.Claim",
        "name": "claim",
        "type": "tuple"
      },
      {
        "internalType": "uint256",
        "name": "spanIndex",
        "type": "uint256"
      },
      {
        "components": [
          {
            "internalType": "uint64",
            "name": "first",
            "type": "uint64"
          },
          {
            "internalType": "bytes",
            "name": "data",
            "type": "bytes"
          },
          {
            "internalType": "bytes32[]",
            "name": "siblings",
            "type": "bytes32[]"
          }
        ],
        "internalType": "struct IAttribution.Chunks",
        "name": "output",
        "type": "tuple"
      }
    ],
    "name": "proveBoundary",
    "outputs": [],
    "stateMutability": "nonpayable",
    "type": "function"
  },
  {
    "inputs": [
      {
        "components": [
          {
            "internalType": "uint256",
            "name": "inferenceId",
            "type": "uint256"
          },
          {
            "internalType": "bytes32",
            "name": "outputRoot",
            "type": "bytes32"
          },
          {
            "internalType": "uint32",
            "name": "outputBytes",
            "type": "uint32"
          },
          {
            "components": [
              {
                "internalType": "uint32",
                "name": "outputStart",
                "type": "uint32"
              },
              {
                "internalType": "uint32",
                "name": "length",
                "type": "uint32"
              },
              {
                "internalType": "uint64",
                "name": "contribution",
                "type": "uint64"
              },
              {
                "internalType": "uint64",
                "name": "contentOffset",
                "type": "uint64"
              }
            ],
            "internalType": "struct IAttribution.Span[]",
            "name": "spans",
            "type": "tuple[]"
          },
          {
            "internalType": "bytes32[]",
            "name": "proof",
            "type": "bytes32[]"
          }
        ],
        "internalType": "struct IAttribution.Claim",
        "name": "claim",
        "type": "tuple"
      },
      {
        "internalType": "bytes32",
        "name": "outputRoot",
        "type": "bytes32"
      },
      {
        "internalType": "uint32",
        "name": "outputBytes",
        "type": "uint32"
      },
      {
        "internalType": "bytes32",
        "name": "spansHash",
        "type": "bytes32"
      },
      {
        "internalType": "bytes",
        "name": "signature",
        "type": "bytes"
      }
    ],
    "name": "proveContradiction",
    "outputs": [],
    "stateMutability": "nonpayable",
    "type": "function"
  },
  {
    "inputs": [
      {
        "components": [
          {
            "internalType": "uint256",
            "name": "inferenceId",
            "type": "uint256"
          },
          {
            "internalType": "bytes32",
            "name": "outputRoot",
            "type": "bytes32"
          },
          {
            "internalType": "uint32",
            "name": "outputBytes",
            "type": "uint32"
          },
          {
            "components": [
              {
                "internalType": "uint32",
                "name": "outputStart",
                "type": "uint32"
              },
              {
                "internalType": "uint32",
                "name": "length",
                "type": "uint32"
              },
              {
                "internalType": "uint64",
                "name": "contribution",
                "type": "uint64"
              },
              {
                "internalType": "uint64",
                "name": "contentOffset",
                "type": "uint64"
              }
            ],
            "internalType": "struct IAttribution.Span[]",
            "name": "spans",
            "type": "tuple[]"
          },
          {
            "internalType": "bytes32[]",
            "name": "proof",
            "type": "bytes32[]"
          }
        ],
        "internalType": "struct IAttribution.Claim",
        "name": "claim",
        "type": "tuple"
      },
      {
        "internalType": "uint256",
        "name": "spanIndex",
        "type": "uint256"
      },
      {
        "internalType": "uint256",
        "name": "contributionId",
        "type": "uint256"
      },
      {
        "internalType": "uint64",
        "name": "contentOffset",
        "type": "uint64"
      },
      {
        "components": [
          {
            "internalType": "uint64",
            "name": "first",
            "type": "uint64"
          },
          {
            "internalType": "bytes",
            "name": "data",
            "type": "bytes"
          },
          {
            "internalType": "bytes32[]",
            "name": "siblings",
            "type": "bytes32[]"
          }
        ],
        "internalType": "struct IAttribution.Chunks",
        "name": "output",
        "type": "tuple"
      },
      {
        "components": [
          {
            "internalType": "uint64",
            "name": "first",
            "type": "uint64"
          },
          {
            "internalType": "bytes",
            "name": "data",
            "type": "bytes"
          },
          {
            "internalType": "bytes32[]",
            "name": "siblings",
            "type": "bytes32[]"
          }
        ],
        "internalType": "struct IAttribution.Chunks",
        "name": "content",
        "type": "tuple"
      }
    ],
    "name": "proveEarlierHolder",
    "outputs": [],
    "stateMutability": "nonpayable",
    "type": "function"
  },
  {
    "inputs": [
      {
        "components": [
          {
            "internalType": "uint256",
            "name": "inferenceId",
            "type": "uint256"
          },
          {
            "internalType": "bytes32",
            "name": "outputRoot",
            "type": "bytes32"
          },
          {
            "internalType": "uint32",
            "name": "outputBytes",
            "type": "uint32"
          },
          {
            "components": [
              {
                "internalType": "uint32",
                "name": "outputStart",
                "type": "uint32"
              },
              {
                "internalType": "uint32",
                "name": "length",
                "type": "uint32"
              },
              {
                "internalType": "uint64",
                "name": "contribution",
                "type": "uint64"
              },
              {
                "internalType": "uint64",
                "name": "contentOffset",
                "type": "uint64"
              }
            ],
            "internalType": "struct IAttribution.Span[]",
            "name": "spans",
            "type": "tuple[]"
          },
          {
            "internalType": "bytes32[]",
            "name": "proof",
            "type": "bytes32[]"
          }
        ],
        "internalType": "struct IAttribution.Claim",
        "name": "claim",
        "type": "tuple"
      },
      {
        "internalType": "uint256",
        "name": "spanIndex",
        "type": "uint256"
      },
      {
        "internalType": "uint32",
        "name": "at",
        "type": "uint32"
      },
      {
        "components": [
          {
            "internalType": "uint64",
            "name": "first",
            "type": "uint64"
          },
          {
            "internalType": "bytes",
            "name": "data",
            "type": "bytes"
          },
          {
            "internalType": "bytes32[]",
            "name": "siblings",
            "type": "bytes32[]"
          }
        ],
        "internalType": "struct IAttribution.Chunks",
        "name": "output",
        "type": "tuple"
      },
      {
        "components": [
          {
            "internalType": "uint64",
            "name": "first",
            "type": "uint64"
          },
          {
            "internalType": "bytes",
            "name": "data",
            "type": "bytes"
          },
          {
            "internalType": "bytes32[]",
            "name": "siblings",
            "type": "bytes32[]"
          }
        ],
        "internalType": "struct IAttribution.Chunks",
        "name": "content",
        "type": "tuple"
      }
    ],
    "name": "proveMismatch",
    "outputs": [],
    "stateMutability": "nonpayable",
    "type": "function"
  },
  {
    "inputs": [
      {
        "components": [
          {
            "internalType": "uint256",
            "name": "inferenceId",
            "type": "uint256"
          },
          {
            "internalType": "bytes32",
            "name": "outputRoot",
            "type": "bytes32"
          },
          {
            "internalType": "uint32",
            "name": "outputBytes",
            "type": "uint32"
          },
          {
            "components": [
              {
                "internalType": "uint32",
                "name": "outputStart",
                "type": "uint32"
              },
              {
                "internalType": "uint32",
                "name": "length",
                "type": "uint32"
              },
              {
                "internalType": "uint64",
                "name": "contribution",
                "type": "uint64"
              },
              {
                "internalType": "uint64",
                "name": "contentOffset",
                "type": "uint64"
              }
            ],
            "internalType": "struct IAttribution.Span[]",
            "name": "spans",
            "type": "tuple[]"
          },
          {
            "internalType": "bytes32[]",
            "name": "proof",
            "type": "bytes32[]"
          }
        ],
        "internalType": "struct IAttribution.Claim",
        "name": "claim",
        "type": "tuple"
      },
      {
        "internalType": "uint32",
        "name": "start",
        "type": "uint32"
      },
      {
        "internalType": "uint32",
        "name": "length",
        "type": "uint32"
      },
      {
        "internalType": "uint256",
        "name": "contributionId",
        "type": "uint256"
      },
      {
        "internalType": "uint64",
        "name": "contentOffset",
        "type": "uint64"
      },
      {
        "components": [
          {
            "internalType": "uint64",
            "name": "first",
            "type": "uint64"
          },
          {
            "internalType": "bytes",
            "name": "data",
            "type": "bytes"
          },
          {
            "internalType": "bytes32[]",
            "name": "siblings",
            "type": "bytes32[]"
          }
        ],
        "internalType": "struct IAttribution.Chunks",
        "name": "output",
        "type": "tuple"
      },
      {
        "components": [
          {
            "internalType": "uint64",
            "name": "first",
            "type": "uint64"
          },
          {
            "internalType": "bytes",
            "name": "data",
            "type": "bytes"
          },
          {
            "internalType": "bytes32[]",
            "name": "siblings",
            "type": "bytes32[]"
          }
        ],
        "internalType": "struct IAttribution.Chunks",
        "name": "content",
        "type": "tuple"
      }
    ],
    "name": "proveOmission",
    "outputs": [],
    "stateMutability": "nonpayable",
    "type": "function"
  },
  {
    "inputs": [
      {
        "components": [
          {
            "internalType": "uint256",
            "name": "inferenceId",
            "type": "uint256"
          },
          {
            "internalType": "bytes32",
            "name": "outputRoot",
            "type": "bytes32"
          },
          {
            "internalType": "uint32",
            "name": "outputBytes",
            "type": "uint32"
          },
          {
            "components": [
              {
                "internalType": "uint32",
                "name": "outputStart",
                "type": "uint32"
              },
              {
                "internalType": "uint32",
                "name": "length",
                "type": "uint32"
              },
              {
                "internalType": "uint64",
                "name": "contribution",
                "type": "uint64"
              },
              {
                "internalType": "uint64",
                "name": "contentOffset",
                "type": "uint64"
              }
            ],
            "internalType": "struct IAttribution.Span[]",
            "name": "spans",
            "type": "tuple[]"
          },
          {
            "internalType": "bytes32[]",
            "name": "proof",
            "type": "bytes32[]"
          }
        ],
        "internalType": "struct IAttribution.Claim",
        "name": "claim",
        "type": "tuple"
      },
      {
        "internalType": "uint256",
        "name": "contributionId",
        "type": "uint256"
      },
      {
        "internalType": "uint64",
        "name": "chunk",
        "type": "uint64"
      }
    ],
    "name": "proveUnavailable",
    "outputs": [],
    "stateMutability": "nonpayable",
    "type": "function"
  },
  {
    "inputs": [
      {
        "internalType": "uint256",
        "name": "modelId",
        "type": "uint256"
      },
      {
        "internalType": "address",
        "name": "host",
        "type": "address"
      },
      {
        "internalType": "bytes32",
        "name": "requestRoot",
        "type": "bytes32"
      },
      {
        "internalType": "uint32",
        "name": "requestBytes",
        "type": "uint32"
      },
      {
        "internalType": "enum IAttribution.Audience",
        "name": "audience",
        "type": "uint8"
      }
    ],
    "name": "requestInference",
    "outputs": [
      {
        "internalType": "uint256",
        "name": "inferenceId",
        "type": "uint256"
      }
    ],
    "stateMutability": "payable",
    "type": "function"
  },
  {
    "inputs": [
      {
        "internalType": "uint256",
        "name": "inferenceId",
        "type": "uint256"
      },
      {
        "internalType": "uint256",
        "name": "contributionId",
        "type": "uint256"
      },
      {
        "internalType": "uint64",
        "name": "chunk",
        "type": "uint64"
      }
    ],
    "name": "returnDemand",
    "outputs": [],
    "stateMutability": "nonpayable",
    "type": "function"
  },
  {
    "inputs": [
      {
        "internalType": "uint256",
        "name": "inferenceId",
        "type": "uint256"
      },
      {
        "internalType": "address",
        "name": "auditor",
        "type": "address"
      },
      {
        "internalType": "bool",
        "name": "allowed",
        "type": "bool"
      }
    ],
    "name": "setAuditor",
    "outputs": [],
    "stateMutability": "nonpayable",
    "type": "function"
  },
  {
    "inputs": [
      {
        "components": [
          {
            "internalType": "uint256",
            "name": "inferenceId",
            "type": "uint256"
          },
          {
            "internalType": "bytes32",
            "name": "outputRoot",
            "type": "bytes32"
          },
          {
            "internalType": "uint32",
            "name": "outputBytes",
            "type": "uint32"
          },
          {
            "components": [
              {
                "internalType": "uint32",
                "name": "outputStart",
                "type": "uint32"
              },
              {
                "internalType": "uint32",
                "name": "length",
                "type": "uint32"
              },
              {
                "internalType": "uint64",
                "name": "contribution",
                "type": "uint64"
              },
              {
                "internalType": "uint64",
                "name": "contentOffset",
                "type": "uint64"
              }
            ],
            "internalType": "struct IAttribution.Span[]",
            "name": "spans",
            "type": "tuple[]"
          },
          {
            "internalType": "bytes32[]",
            "name": "proof",
            "type": "bytes32[]"
          }
        ],
        "internalType": "struct IAttribution.Claim[]",
        "name": "claims",
        "type": "tuple[]"
      }
    ],
    "name": "settle",
    "outputs": [],
    "stateMutability": "nonpayable",
    "type": "function"
  },
  {
    "inputs": [
      {
        "internalType": "uint256",
        "name": "inferenceId",
        "type": "uint256"
      },
      {
        "internalType": "uint256",
        "name": "contributionId",
        "type": "uint256"
      },
      {
        "components": [
          {
            "internalType": "uint64",
            "name": "first",
            "type": "uint64"
          },
          {
            "internalType": "bytes",
            "name": "data",
            "type": "bytes"
          },
          {
            "internalType": "bytes32[]",
            "name": "siblings",
            "type": "bytes32[]"
          }
        ],
        "internalType": "struct IAttribution.Chunks",
        "name": "content",
        "type": "tuple"
      }
    ],
    "name": "showChunk",
    "outputs": [],
    "stateMutability": "nonpayable",
    "type": "function"
  },
  {
    "inputs": [
      {
        "internalType": "address",
        "name": "host",
        "type": "address"
      }
    ],
    "name": "stakeOf",
    "outputs": [
      {
        "internalType": "uint256",
        "name": "total",
        "type": "uint256"
      },
      {
        "internalType": "uint256",
        "name": "locked",
        "type": "uint256"
      }
    ],
    "stateMutability": "view",
    "type": "function"
  },
  {
    "inputs": [
      {
        "internalType": "uint256",
        "name": "amount",
        "type": "uint256"
      }
    ],
    "name": "withdrawStake",
    "outputs": [],
    "stateMutability": "nonpayable",
    "type": "function"
  }
] as const;
