// Package bench drives a Weft server over real WebSockets and measures it. A run is one of three modes: Pairs (messages as
// fast as windows allow), Idle (connections that only exist) and Resume (everybody comes back at once).
//
// A figure is only worth as much as the work behind it, so each mode checks what it measures: Checker follows every
// message from its sender's reply to its receiver, and a lost, doubled or misordered one fails the run.
//
// The loader shares the machine with the server when both run on a laptop, so it is kept lean: Pairs uses package client
// with its handler on the reading goroutine, Idle and Resume use a WebSocket of their own that holds half a KiB and a
// goroutine per connection. What the loader itself took is among the figures.
package bench
