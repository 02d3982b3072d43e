package node

import (
	"context"
	"fmt"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/weft-im/weft/auth"
	natsconfig "github.com/weft-im/weft/nats-config"
	"github.com/weft-im/weft/subjects"
)

// permit brings the roles' permissions to the fabric's number of shards, where the process is the one that has NATS in it.
func (n *Node) permit(ctx context.Context, f natsconfig.Fabric) (err error) {
	if n.nats == nil || n.keys.Shards() == f.Shards {
		return nil
	}
	if n.keys, err = auth.OpenKeys(n.keys.Dir(), f.Shards); err != nil {
		return err
	}
	token, seed, err := n.keys.SystemCreds()
	if err != nil {
		return err
	}
	servers := []string{n.natsURLs()}
	if n.cfg.MediaNATS != "" {
		servers = append(servers, n.cfg.MediaNATS)
	}
	for _, urls := range servers {
		nc, err := nats.Connect(urls, nats.Name("weft permit"), nats.UserJWTAndSeed(token, string(seed)))
		if err != nil {
			return fmt.Errorf("connect to the system account: %w", err)
		}
		err = natsconfig.PushAccount(ctx, nc, n.keys.Accounts()[n.keys.FabricAccount()])
		nc.Close()
		if err != nil {
			return err
		}
	}
	return nil
}

// trust follows which keys sign access tokens, for a role that signs or checks them: apply gets the word that the fabric
// has now, if any, before trust returns, and each new one while the node runs. Only what the operator signed counts.
func (n *Node) trust(ctx context.Context, nc *nats.Conn, role string, apply func(auth.Clients) error) error {
	js, err := jetstream.New(nc)
	if err != nil {
		return fmt.Errorf("jetstream: %w", err)
	}
	kv, err := js.KeyValue(ctx, subjects.BucketFabric)
	if err != nil {
		return fmt.Errorf("bucket %s: %w", subjects.BucketFabric, err)
	}
	follow, stop := context.WithCancel(context.WithoutCancel(ctx))
	watch, err := kv.Watch(follow, subjects.KeyClients)
	if err != nil {
		stop()
		return fmt.Errorf("watch bucket %s: %w", subjects.BucketFabric, err)
	}
	learn := func(e jetstream.KeyValueEntry) {
		clients, err := n.keys.CheckClients(string(e.Value()))
		if err == nil {
			err = apply(clients)
		}
		if err != nil {
			n.log.Error("which keys sign access tokens stays as it was", "role", role, "revision", e.Revision(), "err", err)
			return
		}
		n.log.Info("keys that sign access tokens", "role", role, "keys", len(clients.Signers))
	}
	for first := true; first; {
		select {
		case e := <-watch.Updates():
			if first = e != nil; first { // nil is the end of what was there
				learn(e)
			}
		case <-ctx.Done():
			stop()
			return fmt.Errorf("read bucket %s: %w", subjects.BucketFabric, ctx.Err())
		}
	}
	n.add("trust of "+role, func(ctx context.Context) error {
		defer stop()
		for {
			select {
			case <-ctx.Done():
				return nil
			case e, ok := <-watch.Updates():
				if !ok {
					return nil
				}
				if e != nil {
					learn(e)
				}
			}
		}
	}, nil)
	return nil
}
