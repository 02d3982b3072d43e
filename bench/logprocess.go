package bench

import (
	"context"
	"errors"
	"strconv"
)

// logProcess is ServeLog in a process of its own.
type logProcess struct {
	*ordered
	logReady
}

func startLog(ctx context.Context, weft string, cfg LogConfig) (*logProcess, error) {
	process, err := startOrdered(ctx, weft, "log-server",
		"--dir", cfg.Dir, "--channels", strconv.Itoa(cfg.Channels), "--body", strconv.Itoa(cfg.Body))
	if err != nil {
		return nil, err
	}
	p := &logProcess{ordered: process}
	if err := p.answer(&p.logReady); err != nil {
		return nil, errors.Join(err, p.close())
	}
	return p, nil
}

// fill has messages written and waits until they are stored.
func (p *logProcess) fill(order logOrder) (done logDone, err error) {
	if err := p.order(order); err != nil {
		return done, err
	}
	return done, p.answer(&done)
}
