package node

import (
	"context"
	"crypto/rand"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/weft-im/weft/auth"
	"github.com/weft-im/weft/chats"
	"github.com/weft-im/weft/edge"
	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/history"
	"github.com/weft-im/weft/ingest"
	"github.com/weft-im/weft/media"
	"github.com/weft-im/weft/media/blob"
	natsconfig "github.com/weft-im/weft/nats-config"
	"github.com/weft-im/weft/oidc"
	"github.com/weft-im/weft/otp"
	"github.com/weft-im/weft/presence"
	"github.com/weft-im/weft/push"
	"github.com/weft-im/weft/receipts"
	"github.com/weft-im/weft/scan"
	"github.com/weft-im/weft/subjects"
	"github.com/weft-im/weft/users"
)

// startRoles makes the process's roles, each on a connection of its own, in the order in which they need one another.
func (n *Node) startRoles(ctx context.Context, f natsconfig.Fabric) (err error) {
	n.shards = f.Shards
	n.add("memory", func(ctx context.Context) error { return tendMemory(ctx, ofMessages) }, nil)
	if n.store != nil {
		if n.health, err = newSQLHealth(n.registry); err != nil {
			return err
		}
		n.add("sql", n.lookAtSQL, nil)
	}
	for _, r := range []struct {
		role  Role
		start func(context.Context, natsconfig.Fabric) error
	}{
		{History, n.startHistory}, {Users, n.startUsers}, {Chats, n.startChats},
		{Ingest, n.startIngest}, {OTP, n.startOTP}, {Receipts, n.startReceipts}, {Scan, n.startScan}, {Media, n.startMedia}, {Push, n.startPush}, {Presence, n.startPresence}, {Edge, n.startEdge},
	} {
		if !n.cfg.has(r.role) {
			continue
		}
		if err := r.start(ctx, f); err != nil {
			return err
		}
	}
	return nil
}

func (n *Node) add(name string, run func(context.Context) error, ready <-chan struct{}) {
	n.roles = append(n.roles, role{name, run, ready})
}

func (n *Node) startHistory(_ context.Context, f natsconfig.Fabric) error {
	nc, err := n.connect(subjects.RoleHistory)
	if err != nil {
		return err
	}
	r, err := history.New(nc, n.store, f.Shards, history.Config{EditWithin: n.cfg.EditWindow}, n.log.With("role", "history"), n.registry)
	if err != nil {
		return err
	}
	n.add("history", r.Run, r.Ready())
	return nil
}

func (n *Node) startUsers(ctx context.Context, f natsconfig.Fabric) error {
	nc, err := n.connect(subjects.RoleUsers)
	if err != nil {
		return err
	}
	issuer := n.keys.Issuer()
	if err := n.trust(ctx, nc, "users", issuer.Trust); err != nil {
		return err
	}
	cfg := users.Config{Dev: n.cfg.Dev, Rates: n.cfg.Codes, NoCodes: n.cfg.NoCodes, Shards: f.Shards}
	if n.cfg.OIDC.Issuer != "" {
		if cfg.OIDC, err = oidc.New(n.cfg.OIDC); err != nil {
			return err
		}
	}
	r, err := users.New(ctx, nc, n.store, issuer, cfg, n.log.With("role", "users"), n.registry)
	if err != nil {
		return err
	}
	n.add("users", r.Run, r.Ready())
	return nil
}

func (n *Node) startChats(_ context.Context, f natsconfig.Fabric) error {
	nc, err := n.connect(subjects.RoleChats)
	if err != nil {
		return err
	}
	r, err := chats.New(nc, n.store, f.Shards, chats.Config{}, n.log.With("role", "chats"), n.registry)
	if err != nil {
		return err
	}
	n.add("chats", r.Run, r.Ready())
	return nil
}

func (n *Node) startIngest(_ context.Context, f natsconfig.Fabric) error {
	nc, err := n.connect(subjects.RoleIngest)
	if err != nil {
		return err
	}
	r, err := ingest.New(nc, n.store, ingest.Config{Shards: f.Shards, Dedupe: f.Dedupe}, n.log.With("role", "ingest"), n.registry)
	if err != nil {
		return err
	}
	n.add("ingest", r.Run, r.Ready())
	return nil
}

func (n *Node) startOTP(context.Context, natsconfig.Fabric) error {
	if n.cfg.SendCodes.URL == "" {
		return nil
	}
	nc, err := n.connect(subjects.RoleOTP)
	if err != nil {
		return err
	}
	r, err := otp.New(nc, n.cfg.SendCodes.URL, n.cfg.SendCodes.Secret, n.log.With("role", "otp"), n.registry)
	if err != nil {
		return err
	}
	n.add("otp", r.Run, r.Ready())
	return nil
}

func (n *Node) startReceipts(_ context.Context, f natsconfig.Fabric) error {
	nc, err := n.connect(subjects.RoleReceipts)
	if err != nil {
		return err
	}
	r, err := receipts.New(nc, f.Shards, receipts.Config{}, n.log.With("role", "receipts"), n.registry)
	if err != nil {
		return err
	}
	n.add("receipts", r.Run, r.Ready())
	return nil
}

func (n *Node) startMedia(ctx context.Context, f natsconfig.Fabric) error {
	nc, err := n.connect(subjects.RoleMedia)
	if err != nil {
		return err
	}
	bulk, err := n.connectMedia(subjects.RoleMedia)
	if err != nil {
		return err
	}
	open := media.OnNATS
	if n.cfg.MediaS3 != "" {
		open = func(p *blob.Parts) (blob.Store, error) {
			s, err := blob.OpenS3(ctx, n.cfg.MediaS3, p)
			if err != nil {
				return nil, fmt.Errorf("--media-s3: %w", err)
			}
			return s, nil
		}
	}
	r, err := media.New(ctx, nc, bulk, n.store, open, media.Config{Shards: f.Shards, Scan: n.cfg.Scan || n.cfg.Clamd != ""}, n.log.With("role", "media"), n.registry)
	if err != nil {
		return err
	}
	n.add("media", r.Run, r.Ready())
	return nil
}

func (n *Node) startScan(_ context.Context, f natsconfig.Fabric) error {
	if n.cfg.Clamd == "" {
		return nil
	}
	nc, err := n.connect(subjects.RoleScan)
	if err != nil {
		return err
	}
	bulk, err := n.connectMedia(subjects.RoleScan)
	if err != nil {
		return err
	}
	r, err := scan.New(nc, bulk, scan.Config{Shards: f.Shards, Clamd: n.cfg.Clamd}, n.log.With("role", "scan"), n.registry)
	if err != nil {
		return err
	}
	n.add("scan", r.Run, r.Ready())
	return nil
}

func (n *Node) startPush(ctx context.Context, f natsconfig.Fabric) error {
	nc, err := n.connect(subjects.RolePush)
	if err != nil {
		return err
	}
	cfg := n.cfg.Push
	cfg.Shards = f.Shards
	r, err := push.New(ctx, nc, n.store, cfg, n.log.With("role", "push"), n.registry)
	if err != nil {
		return err
	}
	n.add("push", r.Run, r.Ready())
	return nil
}

func (n *Node) startPresence(context.Context, natsconfig.Fabric) error {
	nc, err := n.connect(subjects.RolePresence)
	if err != nil {
		return err
	}
	r, err := presence.New(nc, presence.Config{Lease: natsconfig.EdgeLease}, n.log.With("role", "presence"), n.registry)
	if err != nil {
		return err
	}
	n.add("presence", r.Run, nil)
	return nil
}

func (n *Node) startEdge(ctx context.Context, f natsconfig.Fabric) error {
	limits := n.cfg.Limits
	limits.DedupeMillis = int(f.Dedupe.Milliseconds())
	limits.ConnectionsPerAddress, limits.Connections, _ = n.door.Limits()
	nc, err := n.connect(subjects.RoleEdge)
	if err != nil {
		return err
	}
	bulk, err := n.connectMedia(subjects.RoleEdge)
	if err != nil {
		return err
	}
	verifier := n.keys.Verifier()
	if err := n.trust(ctx, nc, "edge", func(c auth.Clients) error { verifier.Trust(c); return nil }); err != nil {
		return err
	}
	page, err := n.page()
	if err != nil {
		return err
	}
	n.edge, err = edge.New(ctx, nc, verifier, n.door.Addr().String(), edge.Config{
		// New with every start: what an earlier process left in the buckets is not this one's.
		ID:       "e" + strconv.FormatInt(fabric.Millis(time.Now()), 36) + strings.ToLower(rand.Text()[:5]),
		FabricID: f.ID, Shards: f.Shards, Lease: natsconfig.EdgeLease, RevokedFor: natsconfig.RevokedFor,
		Limits: limits, Web: page, StayDrained: n.cfg.StayDrained, Bulk: bulk,
	}, n.log.With("role", "edge"), n.registry)
	if err != nil {
		return err
	}
	n.add("edge", n.edge.Run, nil)
	return nil
}
