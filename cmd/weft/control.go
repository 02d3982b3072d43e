package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/weft-im/weft/audit"
	"github.com/weft-im/weft/auth"
	natsconfig "github.com/weft-im/weft/nats-config"
	"github.com/weft-im/weft/subjects"
)

// controlFlags say which fabric an operator's command is for: where its NATS is, and its keys.
type controlFlags struct {
	NATS  string `name:"nats" env:"WEFT_NATS" default:"nats://127.0.0.1:4222" help:"The fabric's NATS servers." placeholder:"URL,…"`
	Media string `name:"media-nats" env:"WEFT_MEDIA_NATS" help:"NATS servers of their own that keep files; without it those that the fabric says." placeholder:"URL,…"`
	Data  string `env:"WEFT_DATA" default:"weft-data" help:"Data folder of a fabric that weft up runs: its keys are in it." placeholder:"DIR"`
	Keys  string `env:"WEFT_KEYS" help:"Folder of the fabric's keys, where it has no data folder." placeholder:"DIR"`
	CA    string `name:"tls-ca" env:"WEFT_NATS_CA" help:"Certificates that the NATS servers' TLS is checked by, where the system does not know them." placeholder:"FILE"`
}

// keysDir returns the folder of the fabric's keys.
func (f controlFlags) keysDir() string {
	if f.Keys != "" {
		return f.Keys
	}
	return filepath.Join(f.Data, "keys")
}

// keys returns the fabric's keys, as far as the folder has them.
func (f controlFlags) keys() (*auth.Keys, error) {
	k, err := auth.ReadKeys(f.keysDir())
	if err != nil {
		return nil, fmt.Errorf("%w (--data or --keys says where they are)", err)
	}
	return k, nil
}

// connectWithin bounds how long a command waits for NATS.
const connectWithin = 5 * time.Second

// media returns how the NATS servers that keep files are reached, where these are others than the fabric's.
func (f controlFlags) media(ctx context.Context) (_ controlFlags, others bool, err error) {
	if f.Media == "" {
		nc, js, err := f.jetstream(subjects.RoleOperator)
		if err != nil {
			return f, false, err
		}
		defer nc.Close()
		ctx, cancel := context.WithTimeout(ctx, connectWithin)
		defer cancel()
		if f.Media, err = natsconfig.MediaAt(ctx, js); err != nil {
			return f, false, err
		}
	}
	others = f.Media != ""
	f.NATS = cmp.Or(f.Media, f.NATS)
	return f, others, nil
}

// connect returns a connection as a role.
func (f controlFlags) connect(role subjects.Role) (*nats.Conn, error) {
	k, err := f.keys()
	if err != nil {
		return nil, err
	}
	token, seed, err := k.Creds(role)
	if err != nil {
		return nil, fmt.Errorf("credentials of role %s: %w", role, err)
	}
	return f.dial(token, seed, nats.CustomInboxPrefix(subjects.InboxPrefix(role)))
}

// jetstream returns a connection as a role, and JetStream over it.
func (f controlFlags) jetstream(role subjects.Role) (*nats.Conn, jetstream.JetStream, error) {
	nc, err := f.connect(role)
	if err != nil {
		return nil, nil, err
	}
	js, err := jetstream.New(nc)
	if err != nil {
		nc.Close()
		return nil, nil, fmt.Errorf("jetstream: %w", err)
	}
	return nc, js, nil
}

// connectSystem returns a connection in the servers' own account.
func (f controlFlags) connectSystem() (*nats.Conn, error) {
	k, err := f.keys()
	if err != nil {
		return nil, err
	}
	token, seed, err := k.SystemCreds()
	if err != nil {
		return nil, fmt.Errorf("credentials of the system account: %w", err)
	}
	return f.dial(token, seed)
}

func (f controlFlags) dial(token string, seed []byte, opts ...nats.Option) (*nats.Conn, error) {
	opts = append(opts, nats.Name("weft command"), nats.UserJWTAndSeed(token, string(seed)), nats.Timeout(connectWithin))
	if f.CA != "" {
		opts = append(opts, nats.RootCAs(f.CA))
	}
	nc, err := nats.Connect(f.NATS, opts...)
	if err != nil {
		flag := "--nats"
		if f.NATS == f.Media {
			flag = "--media-nats"
		}
		return nil, fmt.Errorf("connect to NATS at %s (%s): %w", f.NATS, flag, err)
	}
	return nc, nil
}

// push gives the servers accounts that have changed in the keys' folder; where that fails, the change waits there.
func (f controlFlags) push(ctx context.Context, accounts ...string) error {
	err := f.pushTo(ctx, accounts)
	if err == nil {
		var media controlFlags
		var others bool
		if media, others, err = f.media(ctx); err == nil && others {
			err = media.pushTo(ctx, accounts)
		}
	}
	if err != nil {
		return fmt.Errorf("%w\nThe change is in %s, but the servers have not got it: run `weft auth push` when they can be reached", err, f.keysDir())
	}
	return nil
}

// pushTo gives accounts to the servers at --nats.
func (f controlFlags) pushTo(ctx context.Context, accounts []string) error {
	nc, err := f.connectSystem()
	if err != nil {
		return err
	}
	defer nc.Close()
	for _, token := range accounts {
		err = errors.Join(err, natsconfig.PushAccount(ctx, nc, token))
	}
	return err
}

// tellClients tells edges and whoever signs which keys sign access tokens.
func (f controlFlags) tellClients(ctx context.Context, k *auth.Keys) error {
	nc, js, err := f.jetstream(subjects.RoleProvision)
	if err != nil {
		return err
	}
	defer nc.Close()
	return natsconfig.PutClients(ctx, js, k.Clients().JWT)
}

// audit writes what an operator has done into the audit log, and waits until it is there.
func (f controlFlags) audit(ctx context.Context, e audit.Event) error {
	nc, err := f.connect(subjects.RoleOperator)
	if err != nil {
		return err
	}
	defer nc.Close()
	return auditOn(ctx, nc, subjects.RoleOperator, e)
}
