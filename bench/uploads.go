package bench

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"time"

	"github.com/weft-im/weft/client"
)

// uploadOrder is the first line that ServeUploads reads: who uploads what.
type uploadOrder struct {
	URL   string     `json:"url"`
	Bytes int64      `json:"bytes"` // of each file
	By    []uploader `json:"by"`
}

type uploader struct {
	Access string `json:"access"`
	To     string `json:"to"`
}

// uploadsDone is the line that ServeUploads writes at the end.
type uploadsDone struct {
	Failed string `json:"failed,omitempty"`
}

// ServeUploads uploads the files that it is told of in a first line, one for each uploader and all at once. Each further line
// is true or false: their bytes come from then on, or stop coming. It says once all are through, and returns at the end of
// its orders, which ends what is under way.
func ServeUploads(ctx context.Context, orders io.Reader, answers io.Writer) error {
	read := json.NewDecoder(orders)
	var order uploadOrder
	if err := read.Decode(&order); err != nil {
		return fmt.Errorf("bench: what to upload: %w", err)
	}
	ctx, cancel := context.WithCancel(ctx)
	g := new(gate)
	g.close()
	failed := make([]error, len(order.By))
	var uploads, all sync.WaitGroup
	for i, by := range order.By {
		a := client.NewAccount(client.API{URL: order.URL}, client.StaticToken(by.Access))
		uploads.Go(func() {
			_, failed[i] = a.Upload(ctx, client.Upload{To: by.To, Name: "bench.bin", Size: order.Bytes, Body: gated{newPattern(), g}})
		})
	}
	var said error
	all.Go(func() {
		uploads.Wait()
		var done uploadsDone
		if err := errors.Join(failed...); err != nil {
			done.Failed = err.Error()
		}
		said = json.NewEncoder(answers).Encode(done)
	})
	open, err := false, error(nil)
	for err == nil {
		was := open
		if err = read.Decode(&open); err == nil && open != was {
			g.turn(open)
		}
	}
	cancel()
	if !open {
		g.open() // who waits for bytes sees that it is over
	}
	all.Wait()
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return errors.Join(err, said)
}

// gate lets bytes through while it is open.
type gate struct{ mu sync.RWMutex }

func (g *gate) close() { g.mu.Lock() }
func (g *gate) open()  { g.mu.Unlock() }

func (g *gate) turn(open bool) {
	if open {
		g.open()
	} else {
		g.close()
	}
}

// gated is a file whose bytes come while its gate is open.
type gated struct {
	pattern
	gate *gate
}

// ReadAt implements io.ReaderAt.
func (f gated) ReadAt(b []byte, at int64) (int, error) {
	f.gate.mu.RLock()
	defer f.gate.mu.RUnlock()
	return f.pattern.ReadAt(b, at)
}

// uploads is ServeUploads in a process of its own: who uploads is on a device of its own as well, and a chat beside that is
// measured must not wait for it in its own process.
type uploads struct {
	cmd    *exec.Cmd
	orders io.WriteCloser
	done   chan struct{} // closed once all are through
	err    error         // of them; to be read then
}

// startUploads starts weft (this program itself where it is empty) as `weft bench uploads`.
func startUploads(ctx context.Context, weft string, order uploadOrder) (*uploads, error) {
	path, err := program(weft)
	if err != nil {
		return nil, err
	}
	u := &uploads{cmd: exec.CommandContext(ctx, path, "bench", "uploads"), done: make(chan struct{})}
	u.cmd.Stderr = os.Stderr
	u.cmd.WaitDelay = 10 * time.Second
	answers, err := u.cmd.StdoutPipe()
	if err == nil {
		u.orders, err = u.cmd.StdinPipe()
	}
	if err == nil {
		err = u.cmd.Start()
	}
	if err != nil {
		return nil, fmt.Errorf("bench: start the uploads' process: %w", err)
	}
	go func() { // until the process ends, which close waits for
		defer close(u.done)
		var done uploadsDone
		lines := bufio.NewScanner(answers)
		switch {
		case !lines.Scan():
			u.err = errors.Join(errors.New("bench: the uploads' process ended"), lines.Err())
		case json.Unmarshal(lines.Bytes(), &done) != nil:
			u.err = fmt.Errorf("bench: the uploads' process says %.200q", lines.Text())
		case done.Failed != "":
			u.err = fmt.Errorf("bench: upload: %s", done.Failed)
		}
	}()
	if err := u.say(order); err != nil {
		return nil, errors.Join(err, u.close())
	}
	return u, nil
}

// open has their bytes come, or stop coming. Once they are through it does nothing.
func (u *uploads) open(is bool) error {
	select {
	case <-u.done:
		return nil
	default:
		return u.say(is)
	}
}

func (u *uploads) say(what any) error {
	if err := json.NewEncoder(u.orders).Encode(what); err != nil {
		return fmt.Errorf("bench: tell the uploads' process: %w", err)
	}
	return nil
}

// close ends the process, which ends where there are no more orders.
func (u *uploads) close() error {
	if err := u.orders.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
		return fmt.Errorf("bench: end the uploads' process: %w", err)
	}
	<-u.done
	if err := u.cmd.Wait(); err != nil {
		return fmt.Errorf("bench: the uploads' process: %w", err)
	}
	return nil
}
