package edge

import (
	"archive/zip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/weft-im/weft/contract"
	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/rates"
	"github.com/weft-im/weft/service"
	"github.com/weft-im/weft/subjects"
)

// Bounds of exports, on one edge.
const (
	exportsPerHour = 3 // by one user, and one at a time
	exportsAtOnce  = 8
	exportTime     = time.Hour        // of a whole one
	exportStall    = 30 * time.Second // how long a client may take nothing
	exportTries    = 5                // of a call to a service that is away for a moment
	exportPause    = time.Second      // between them
)

// exports are those that are under way.
type exports struct {
	rates *rates.Rates

	mu    sync.Mutex
	users map[fabric.UserID]bool
}

func newExports() *exports {
	return &exports{rates: rates.New(exportsPerHour, time.Now), users: make(map[fabric.UserID]bool)}
}

// begin admits one more export of u's.
func (x *exports) begin(u fabric.UserID) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	switch {
	case x.users[u]:
		return fabric.Errorf(fabric.CodeRateLimited, "an export of yours is under way: one at a time")
	case len(x.users) >= exportsAtOnce:
		return fabric.Errorf(fabric.CodeUnavailable, "too many exports are under way: try again later")
	case !x.rates.Take(string(u), 1):
		return fabric.Errorf(fabric.CodeRateLimited, "over %d exports an hour: try again later", exportsPerHour)
	}
	x.users[u] = true
	return nil
}

func (x *exports) end(u fabric.UserID) {
	x.mu.Lock()
	defer x.mu.Unlock()
	delete(x.users, u)
}

// export writes what one user has and may read into a ZIP, as it is read: it holds a page of messages and the ids of the
// user's channels, never more.
type export struct {
	edge  *Edge
	of    caller
	zip   *zip.Writer
	begun time.Time
}

// getExport answers with a ZIP of the caller's data. What goes wrong once it has begun breaks the connection off, so
// that no half of one passes for a whole.
func (e *Edge) getExport(w http.ResponseWriter, r *http.Request, c caller) error {
	begun := time.Now()
	h := w.Header()
	if r.Method == http.MethodHead {
		exportHeader(h, begun)
		return nil
	}
	if err := e.exports.begin(c.user); err != nil {
		return err
	}
	defer e.exports.end(c.user)
	ctx, cancel := context.WithTimeout(r.Context(), exportTime)
	defer cancel()
	// The server's bound on reading a request would end the request's context while it is answered.
	control := http.NewResponseController(w)
	if err := control.SetReadDeadline(time.Time{}); err != nil {
		return fmt.Errorf("export: %w", err)
	}
	x := &export{edge: e, of: c, zip: zip.NewWriter(&patient{w, control}), begun: begun}
	profile, err := x.ask(ctx, subjects.UsersGet, contract.UsersGetRequest{Viewer: c.user, User: c.user})
	if err != nil {
		return err
	}
	exportHeader(h, begun)
	if err := errors.Join(x.write(ctx, profile), x.zip.Close()); err != nil {
		if r.Context().Err() == nil {
			e.log.Warn("an export was broken off", "user", c.user, "err", err)
		}
		panic(http.ErrAbortHandler) // what net/http has for this
	}
	return nil
}

func exportHeader(h http.Header, at time.Time) {
	h.Set("Content-Type", "application/zip")
	h.Set("Content-Disposition", `attachment; filename="weft-export-`+at.UTC().Format("2006-01-02")+`.zip"`)
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
}

// patient writes to a client for as long as it takes something now and then.
type patient struct {
	w       io.Writer
	control *http.ResponseController
}

func (p *patient) Write(b []byte) (int, error) {
	if err := p.control.SetWriteDeadline(time.Now().Add(exportStall)); err != nil {
		return 0, fmt.Errorf("export: %w", err)
	}
	return p.w.Write(b)
}

const exportReadme = `This is what %s had in Weft on %s.

profile.json    name, phone, about, picture, privacy
devices.json    where they were signed in
contacts.json   whom they had in their contacts
blocks.json     whom they had blocked
channels.jsonl  their chats and groups, one on a line
channels/       the messages that they could read, a file for each of these and one (u.…) for
                their own devices: one message on a line, oldest first, as the API shows it

Users are {id, name, …}; times are milliseconds since 1970, UTC. A message has its place in its
channel (seq, and that of the one before it, prev), when it was stored (at), who sent it (from),
what it is (kind) and its content (body).
`

func (x *export) write(ctx context.Context, profile []byte) error {
	if err := x.file("README.txt", fmt.Appendf(nil, exportReadme, x.of.user, x.begun.UTC().Format(time.RFC1123))); err != nil {
		return err
	}
	if err := x.file("profile.json", profile); err != nil {
		return err
	}
	own := contract.UsersOwnRequest{User: x.of.user}
	for _, part := range []struct {
		name string
		verb subjects.Verb
		req  any
	}{
		{"devices.json", subjects.UsersDevices, contract.UsersDevicesRequest{User: x.of.user, Device: x.of.device}},
		{"contacts.json", subjects.UsersContacts, own},
		{"blocks.json", subjects.UsersBlocks, own},
	} {
		data, err := x.ask(ctx, part.verb, part.req)
		if err != nil {
			return fmt.Errorf("%s: %w", part.name, err)
		}
		if err := x.file(part.name, data); err != nil {
			return err
		}
	}
	channels, err := x.channels(ctx)
	if err != nil {
		return fmt.Errorf("channels: %w", err)
	}
	for _, c := range append(channels, fabric.Self(x.of.user)) {
		if err := x.messages(ctx, c); err != nil {
			return fmt.Errorf("channel %s: %w", c, err)
		}
	}
	return nil
}

func (x *export) create(name string) (io.Writer, error) {
	f, err := x.zip.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Deflate, Modified: x.begun})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return f, nil
}

func (x *export) file(name string, data []byte) error {
	f, err := x.create(name)
	if err == nil {
		_, err = f.Write(data)
	}
	return err
}

// ask asks a service.
func (x *export) ask(ctx context.Context, verb subjects.Verb, req any) (data []byte, err error) {
	err = x.try(ctx, func(ctx context.Context) error {
		data, err = service.CallRaw(ctx, x.edge.nc, verb, req)
		return err
	})
	return data, err
}

// try makes a call, again where a service is away for a moment: an export that ends half-way has to begin anew. It ends
// where the device was signed out meanwhile.
func (x *export) try(ctx context.Context, call func(context.Context) error) error {
	for try := 1; ; try++ {
		if x.edge.revoked.has(x.of.user, x.of.device) {
			return errRevoked
		}
		once, cancel := context.WithTimeout(ctx, callTimeout)
		err := call(once)
		cancel()
		if try == exportTries || fabric.CodeOf(err) != fabric.CodeUnavailable {
			return err
		}
		select {
		case <-time.After(exportPause):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// channels writes the user's list of channels and returns their ids. A channel that is written to moves to the top of the
// list, past a reader who goes down; so the list is read twice, and who moved in the first reading is met in the second.
func (x *export) channels(ctx context.Context) (ids []fabric.ChannelID, err error) {
	f, err := x.create("channels.jsonl")
	if err != nil {
		return nil, err
	}
	lines := json.NewEncoder(f)
	seen := make(map[fabric.ChannelID]bool)
	for range 2 {
		for cursor, more := "", true; more; more = cursor != "" {
			data, err := x.ask(ctx, subjects.ChatsList, contract.ChatsListRequest{User: x.of.user, Limit: contract.MaxPage, Cursor: cursor})
			if err != nil {
				return nil, err
			}
			var page struct {
				Channels []struct {
					ID       fabric.ChannelID `json:"id"`
					Kind     fabric.Kind      `json:"kind"`
					Name     string           `json:"name"`
					Avatar   string           `json:"avatar,omitempty"`
					Peer     *fabric.User     `json:"peer,omitempty"`
					Role     fabric.Role      `json:"role,omitempty"`
					Archived bool             `json:"archived,omitempty"`
					Pinned   bool             `json:"pinned,omitempty"`
				} `json:"channels"`
				Cursor string `json:"cursor"`
			}
			if err := json.Unmarshal(data, &page); err != nil {
				return nil, fmt.Errorf("decode: %w", err)
			}
			for _, c := range page.Channels {
				if seen[c.ID] {
					continue
				}
				seen[c.ID] = true
				ids = append(ids, c.ID)
				if err := lines.Encode(c); err != nil {
					return nil, err
				}
			}
			cursor = page.Cursor
		}
	}
	return ids, nil
}

// messages writes what the user may read of a channel. That they still may is asked with every page: whoever is removed
// meanwhile gets nothing more of it.
func (x *export) messages(ctx context.Context, c fabric.ChannelID) error {
	f, err := x.create("channels/" + string(c) + ".jsonl")
	if err != nil {
		return err
	}
	after := uint64(0)
	for {
		var st standing
		err := x.try(ctx, func(ctx context.Context) (err error) {
			st, err = x.edge.standing(ctx, x.of.user, c)
			return err
		})
		if fabric.CodeOf(err) == fabric.CodeForbidden {
			return nil
		}
		if err != nil {
			return err
		}
		data, err := x.ask(ctx, subjects.HistoryPage, contract.HistoryPageRequest{
			User: x.of.user, Channel: c, From: st.readsFrom(), After: &after, Limit: contract.MaxPage,
		})
		if err != nil {
			return err
		}
		var page contract.HistoryPageReply
		if err := json.Unmarshal(data, &page); err != nil {
			return fmt.Errorf("decode: %w", err)
		}
		for _, m := range page.Messages {
			if _, err := f.Write(append(m, '\n')); err != nil {
				return err
			}
		}
		if !page.More || len(page.Messages) == 0 {
			return nil
		}
		var last struct {
			Seq uint64 `json:"seq"`
		}
		if err := json.Unmarshal(page.Messages[len(page.Messages)-1], &last); err != nil {
			return fmt.Errorf("decode: %w", err)
		}
		after = last.Seq
	}
}
