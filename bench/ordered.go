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
	"time"
)

// ordered is a hidden mode of `weft bench` in a process of its own, which reads orders and writes answers, a line of JSON
// each, and ends where there are no more orders.
type ordered struct {
	mode   string
	cmd    *exec.Cmd
	orders io.WriteCloser
	lines  *bufio.Scanner
}

// startOrdered starts weft (this program itself where it is empty) as `weft bench MODE`.
func startOrdered(ctx context.Context, weft, mode string, args ...string) (*ordered, error) {
	path, err := program(weft)
	if err != nil {
		return nil, err
	}
	p := &ordered{mode: mode, cmd: exec.CommandContext(ctx, path, append([]string{"bench", mode}, args...)...)}
	p.cmd.Stderr = os.Stderr
	p.cmd.WaitDelay = 10 * time.Second
	answers, err := p.cmd.StdoutPipe()
	if err == nil {
		p.orders, err = p.cmd.StdinPipe()
	}
	if err == nil {
		err = p.cmd.Start()
	}
	if err != nil {
		return nil, fmt.Errorf("bench: start %s: %w", mode, err)
	}
	p.lines = bufio.NewScanner(answers)
	return p, nil
}

func (p *ordered) order(what any) error {
	if err := json.NewEncoder(p.orders).Encode(what); err != nil {
		return fmt.Errorf("bench: order %s: %w", p.mode, err)
	}
	return nil
}

func (p *ordered) answer(into any) error {
	if !p.lines.Scan() {
		return errors.Join(fmt.Errorf("bench: %s ended", p.mode), p.lines.Err())
	}
	if err := json.Unmarshal(p.lines.Bytes(), into); err != nil {
		return fmt.Errorf("bench: %s says %.200q: %w", p.mode, p.lines.Text(), err)
	}
	return nil
}

// close ends the process.
func (p *ordered) close() error {
	if err := p.orders.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
		return fmt.Errorf("bench: end %s: %w", p.mode, err)
	}
	if err := p.cmd.Wait(); err != nil {
		return fmt.Errorf("bench: %s: %w", p.mode, err)
	}
	return nil
}
