package natsconfig

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/weft-im/weft/subjects"
)

// PushAccount gives the servers an account's new JWT, over a connection in the system account; those of a cluster pass it
// on. When it returns, a server has it: whoever it revokes is being disconnected.
func PushAccount(ctx context.Context, system *nats.Conn, token string) error {
	msg, err := system.RequestWithContext(ctx, "$SYS.REQ.CLAIMS.UPDATE", []byte(token))
	if errors.Is(err, nats.ErrNoResponders) {
		return errors.New("push account: no server has a resolver that takes it: want `resolver: {type: full}` in its configuration")
	}
	if err != nil {
		return fmt.Errorf("push account: %w", err)
	}
	var reply struct {
		Data *struct {
			Message string `json:"message"`
		} `json:"data"`
		Error *struct {
			Code        int    `json:"code"`
			Description string `json:"description"`
		} `json:"error"`
	}
	if err := json.Unmarshal(msg.Data, &reply); err != nil {
		return fmt.Errorf("push account: the server's answer: %w", err)
	}
	if reply.Error != nil {
		return fmt.Errorf("push account: the server refuses it: %s", reply.Error.Description)
	}
	return nil
}

// PutClients tells the fabric which keys sign access tokens: the JWT of the account of the end users' tokens, where edges
// and whoever signs follow it. One that is there and newer stays.
func PutClients(ctx context.Context, js jetstream.JetStream, token string) error {
	kv, err := js.KeyValue(ctx, subjects.BucketFabric)
	if err != nil {
		return fmt.Errorf("bucket %s: %w", subjects.BucketFabric, err)
	}
	want, err := jwt.DecodeAccountClaims(token)
	if err != nil {
		return fmt.Errorf("clients' account: %w", err)
	}
	e, err := kv.Get(ctx, subjects.KeyClients)
	if err != nil && !errors.Is(err, jetstream.ErrKeyNotFound) {
		return fmt.Errorf("bucket %s: %w", subjects.BucketFabric, err)
	}
	if err == nil {
		have, err := jwt.DecodeAccountClaims(string(e.Value()))
		if err == nil && (string(e.Value()) == token || have.Subject == want.Subject && have.IssuedAt > want.IssuedAt) {
			return nil
		}
	}
	if _, err := kv.PutString(ctx, subjects.KeyClients, token); err != nil {
		return fmt.Errorf("bucket %s: %w", subjects.BucketFabric, err)
	}
	return nil
}
