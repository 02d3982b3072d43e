// Package bench measures Weft. Most modes drive a server over real WebSockets: Pairs (messages as fast as windows allow),
// Groups and GroupsAtRest (one group, all of it online), Idle (connections that only exist) and Resume (everybody comes
// back at once). History starts a server of its own on a past that it has made up, and asks for pages of it. Archive
// measures a role alone, beside a process with a log for it.
//
// A figure is only worth as much as the work behind it, so each mode checks what it measures: Checker follows every
// message from its sender's reply to its receiver, a group's member holds its events to be a chain without a hole, a page
// of history is held to be one, and a lost, doubled or misordered message fails the run.
//
// The loader shares the machine with the server when both run on a laptop, so it is kept lean: Pairs uses package client
// with its handler on the reading goroutine, the others a WebSocket of their own that holds half a KiB and a goroutine per
// connection, and of a group's message a member looks at a few fields at fixed places. What the loader itself took is
// among the figures.
package bench
