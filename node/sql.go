package node

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/weft-im/weft/chats"
	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/history"
	"github.com/weft-im/weft/ingest"
	"github.com/weft-im/weft/media"
	natsconfig "github.com/weft-im/weft/nats-config"
	"github.com/weft-im/weft/push"
	"github.com/weft-im/weft/storage/postgres"
	"github.com/weft-im/weft/storage/sqlite"
	"github.com/weft-im/weft/users"
)

// database is SQL as the roles of a process share it.
type database interface {
	users.Store
	chats.Store
	history.Store
	ingest.Store
	media.Store
	push.Store
	// Claim makes it the database of a fabric, or refuses where it is another's.
	Claim(ctx context.Context, fabricID string) error
	Close() error
}

// openSQL opens the database that the process's roles need, if any do. For PostgreSQL it waits a while.
func (n *Node) openSQL(ctx context.Context) error {
	if len(n.cfg.sql()) == 0 {
		return nil
	}
	if n.cfg.Postgres == "" {
		if at := n.data.postgres(); at != "" {
			return fmt.Errorf("--postgres is missing: this fabric keeps its users and messages in PostgreSQL, %s", at)
		}
		ctx, cancel := context.WithTimeout(ctx, waitAtStart)
		defer cancel()
		db, err := sqlite.Open(ctx, n.data.path(sqlFile))
		if err != nil {
			return err
		}
		n.store, n.sqlName = db, n.data.path(sqlFile)
		return nil
	}
	name, err := postgres.Name(n.cfg.Postgres)
	if err != nil {
		return fmt.Errorf("--postgres: %w", err)
	}
	db, err := n.openPostgres(ctx, name)
	if err != nil {
		return fmt.Errorf("--postgres: %w", err)
	}
	n.store, n.sqlName = db, "PostgreSQL, "+name
	return nil
}

func (n *Node) openPostgres(ctx context.Context, name string) (db *postgres.DB, err error) {
	err = n.wait(ctx, "the database "+name, func(ctx context.Context) (again bool, err error) {
		db, err = postgres.Open(ctx, n.cfg.Postgres)
		return fabric.CodeOf(err) == fabric.CodeUnavailable, err
	})
	return db, err
}

// claim makes sure that NATS and SQL are of the same fabric, also where this fabric's SQL was elsewhere before.
func (n *Node) claim(ctx context.Context, f natsconfig.Fabric) error {
	db, elsewhere := n.store.(*postgres.DB)
	if elsewhere && n.data != nil {
		if err := n.leftSQLite(ctx, db, f); err != nil {
			return err
		}
	}
	if n.store == nil {
		return nil
	}
	if err := n.store.Claim(ctx, f.ID); err != nil {
		return err
	}
	if elsewhere && n.data != nil {
		name, err := postgres.Name(n.cfg.Postgres)
		if err != nil {
			return err
		}
		return n.data.usePostgres(name)
	}
	return nil
}

// leftSQLite refuses a PostgreSQL that has not got what the data folder's SQLite has.
func (n *Node) leftSQLite(ctx context.Context, db *postgres.DB, f natsconfig.Fabric) error {
	if !n.data.hasSQLite() || n.data.postgres() != "" {
		return nil
	}
	owner, err := db.Fabric(ctx)
	if err != nil || owner == f.ID { // it was moved, and that was broken off at its very end
		return err
	}
	return fmt.Errorf("this fabric's users and messages are in %s: bring them along with `weft move --data %s --postgres URL` first, "+
		"or take that file away to begin without them", n.data.path(sqlFile), n.data.dir)
}

// Looking at the database.
const (
	lookEvery  = 5 * time.Second
	lookWithin = 3 * time.Second
)

// sqlHealth is whether the database answers, for operators: without it the fabric goes on taking and delivering messages.
type sqlHealth struct {
	up prometheus.Gauge

	mu   sync.Mutex
	away time.Time // since when it does not; zero while it does
	why  error
}

func newSQLHealth(reg prometheus.Registerer) (*sqlHealth, error) {
	h := &sqlHealth{up: prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "weft_sql_up", Help: "Whether the database answers: 1, or 0 while it is away.",
	})}
	h.up.Set(1)
	if err := reg.Register(h.up); err != nil {
		return nil, fmt.Errorf("register metrics: %w", err)
	}
	return h, nil
}

// state returns since when the database is away, zero while it answers, and why.
func (h *sqlHealth) state() (away time.Time, why error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.away, h.why
}

// lookAtSQL looks whether the database answers until ctx ends, and says when that changes.
func (n *Node) lookAtSQL(ctx context.Context) error {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		one, cancel := context.WithTimeout(ctx, lookWithin)
		_, err := n.store.Archived(one, n.shards)
		cancel()
		if ctx.Err() != nil {
			return nil
		}
		n.health.note(err, func(away time.Time) {
			if err != nil {
				n.log.Error("the database is away: messages go on, and are archived when it is back; lists, history and sign-ins fail",
					"database", n.sqlName, "err", err)
				return
			}
			n.log.Info("the database is back", "database", n.sqlName, "was_away", time.Since(away).Round(time.Millisecond))
		})
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// note takes how a look ended. changed is called where that is another way than the last one did, with since when the
// database was away.
func (h *sqlHealth) note(err error, changed func(away time.Time)) {
	h.mu.Lock()
	was := h.away
	if h.why = err; err == nil {
		h.away = time.Time{}
		h.up.Set(1)
	} else {
		if was.IsZero() {
			h.away = time.Now()
		}
		h.up.Set(0)
	}
	h.mu.Unlock()
	if was.IsZero() != (err == nil) {
		changed(was)
	}
}
