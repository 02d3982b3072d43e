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
	"strconv"
	"time"
)

// logProcess is ServeLog in a process of its own.
type logProcess struct {
	logReady
	cmd    *exec.Cmd
	orders io.WriteCloser
	lines  *bufio.Scanner
}

// startLog starts weft (this program itself where it is empty) as `weft bench log-server`.
func startLog(ctx context.Context, weft string, cfg LogConfig) (*logProcess, error) {
	path, err := program(weft)
	if err != nil {
		return nil, err
	}
	p := &logProcess{cmd: exec.CommandContext(ctx, path, "bench", "log-server",
		"--dir", cfg.Dir, "--channels", strconv.Itoa(cfg.Channels), "--body", strconv.Itoa(cfg.Body))}
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
		return nil, fmt.Errorf("bench: start the log's process: %w", err)
	}
	p.lines = bufio.NewScanner(answers)
	if err := p.answer(&p.logReady); err != nil {
		return nil, errors.Join(err, p.close())
	}
	return p, nil
}

// fill has messages written and waits until they are stored.
func (p *logProcess) fill(order logOrder) (logDone, error) {
	var done logDone
	if err := json.NewEncoder(p.orders).Encode(order); err != nil {
		return done, fmt.Errorf("bench: order messages: %w", err)
	}
	return done, p.answer(&done)
}

func (p *logProcess) answer(into any) error {
	if !p.lines.Scan() {
		return errors.Join(errors.New("bench: the log's process ended"), p.lines.Err())
	}
	if err := json.Unmarshal(p.lines.Bytes(), into); err != nil {
		return fmt.Errorf("bench: the log's process says %.200q: %w", p.lines.Text(), err)
	}
	return nil
}

// close ends the process, which ends where there are no more orders.
func (p *logProcess) close() error {
	if err := p.orders.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
		return fmt.Errorf("bench: end the log's process: %w", err)
	}
	if err := p.cmd.Wait(); err != nil {
		return fmt.Errorf("bench: the log's process: %w", err)
	}
	return nil
}
