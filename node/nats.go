package node

import (
	"context"
	"errors"
	"log/slog"

	"github.com/weft-im/weft/subjects"
)

// RunNATS runs the NATS server of a data folder, and nothing else, until ctx ends; up is told when it is there.
func RunNATS(ctx context.Context, cfg Config, up func(Addresses)) (err error) {
	if cfg.Data == "" {
		return errors.New("--data is missing: the folder whose NATS server is to run")
	}
	n := &Node{cfg: cfg, log: slog.New(newQuietHandler(cfg.Log.Handler()))}
	defer func() { err = errors.Join(err, n.close()) }()
	if n.data, err = openData(cfg.Data); err != nil {
		return err
	}
	if err := n.openKeys(); err != nil {
		return err
	}
	if err := n.startNATS(); err != nil {
		return err
	}
	up(Addresses{NATS: n.natsHosts(), Creds: n.keys.CredsFile(subjects.RoleOperator), Data: n.data.dir})
	<-ctx.Done()
	return nil
}
