package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"

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
	g.open(false)
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
	var open bool
	err := read.Decode(&open)
	for ; err == nil; err = read.Decode(&open) {
		g.open(open)
	}
	cancel()
	g.open(true) // who waits for bytes sees that it is over
	all.Wait()
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return errors.Join(err, said)
}

// gate lets bytes through while it is open. One goroutine opens and closes it.
type gate struct {
	mu   sync.RWMutex
	shut bool // and mu is locked
}

func (g *gate) open(is bool) {
	switch {
	case is && g.shut:
		g.mu.Unlock()
	case !is && !g.shut:
		g.mu.Lock()
	}
	g.shut = !is
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

// uploadProcess is ServeUploads in a process of its own: who uploads is on a device of its own as well, and a chat beside that
// is measured must not wait for it in its own process.
type uploadProcess struct {
	*ordered
	done chan struct{} // closed once all are through
	err  error         // of them; to be read then
}

func startUploads(ctx context.Context, weft string, order uploadOrder) (*uploadProcess, error) {
	process, err := startOrdered(ctx, weft, "uploads")
	if err != nil {
		return nil, err
	}
	p := &uploadProcess{ordered: process, done: make(chan struct{})}
	go func() { // until the process answers or ends, which close waits for
		defer close(p.done)
		var done uploadsDone
		if p.err = p.answer(&done); p.err == nil && done.Failed != "" {
			p.err = fmt.Errorf("bench: upload: %s", done.Failed)
		}
	}()
	if err := p.order(order); err != nil {
		return nil, errors.Join(err, p.close())
	}
	return p, nil
}

// open has their bytes come, or stop coming. Once they are through it does nothing.
func (p *uploadProcess) open(is bool) error {
	select {
	case <-p.done:
		return nil
	default:
		return p.order(is)
	}
}

// close ends the process, and what it has under way.
func (p *uploadProcess) close() error {
	err := p.orders.Close() // then it answers, or ends
	<-p.done
	return errors.Join(err, p.ordered.close())
}
