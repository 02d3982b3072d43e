// Package client is Weft's SDK for Go: sign in over HTTP with API, then hold a Session, which is one device's live
// connection and comes back by itself. What is no talk (groups and their members, prefs, search, one's profile and whom one
// knows) is Account's, over HTTP; what it changes comes to every session as an event. Package view, below, makes of a
// channel's records what is to be shown.
//
//	api := client.API{URL: "https://weft.example"}
//	grant, err := api.Token(ctx, client.SignIn{Phone: phone, Code: code, Device: client.NewDevice{Name: "laptop"}})
//	s, err := client.Connect(ctx, client.Options{URL: api.URL, Tokens: client.NewGrants(api, grant, saveGrant), Cursor: saved})
//	defer s.Close()
//	sent, err := s.Send(ctx, string(peer), "text", []byte(`{"text":"hello"}`))
//	for ev := range s.Events() {
//		switch ev := ev.(type) {
//		case *client.Message:    // show it, then s.Ack(ev.Channel, ev.Seq)
//		case *client.Checkpoint: // everything before it was handled: store ev.Cursor
//		}
//	}
//
// What it promises:
//
//   - A call that waits for a reply (Send, History, Watch, …) outlives any number of disconnects: it is asked again after
//     each, until it was answered, its context ends or the session does. A message keeps its cid all along, so it is in the
//     channel's log once; past the server's dedupe window the session looks into the history for that cid before it
//     sends again (but for changes of messages, which do no more twice than once).
//   - A message comes once per session: what a resume brings twice is dropped by (channel, seq). What this session sent
//     itself comes as Send's reply and not as an event.
//   - Memory is bounded. Events wait in a channel with room for Options.Buffer of them; a full one stops the reading, so
//     that TCP holds the server back. After Options.Patience of that the session reads on for its replies' sake, lets
//     events fall and, once there is room, resumes from its cursor: the log is the buffer. Messages are therefore never
//     lost; typing, presence and receipts that fell are, as they are during a disconnect. Calls that wait are at most
//     Options.Pending, further ones get ErrBusy.
//   - Close waits for every goroutine of the session: one that reads and, while connected, one that writes.
//
// The costs, held by benchmarks: a message event is decoded with three allocations (the event, its cid, its body), a send
// costs four (the cid's two, the call, the request's bytes), its reply none, and requests that pile up while a frame
// is being written or read go out together in the next one.
package client
