// Package msglog is the channels' logs as they lie in JetStream: Publisher writes records to them, each answered on the
// store's word; Reader reads them back by seq, by channel and by "the last of each", through the direct get API
// (ADR-31), without a consumer.
//
// A record's payload is opaque here. Its prev is the record before it in the same channel that the log still holds, as
// the store puts it on the live copy too; where the window has dropped that one, prev is 0.
package msglog
