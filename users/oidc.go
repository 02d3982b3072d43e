package users

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/weft-im/weft/audit"
	"github.com/weft-im/weft/auth"
	"github.com/weft-im/weft/contract"
	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/oidc"
	"github.com/weft-im/weft/subjects"
)

// methods answers weft.users.methods.
func (r *Role) methods(context.Context, contract.UsersMethodsRequest) (contract.UsersMethodsReply, error) {
	reply := contract.UsersMethodsReply{OTP: !r.cfg.NoCodes}
	if r.cfg.OIDC != nil {
		reply.OIDC = &contract.OIDCMethod{Name: r.cfg.OIDC.Name()}
	}
	return reply, nil
}

var errNoIssuer = fabric.Errorf(fabric.CodeNotFound, "this server has no OpenID Connect issuer: GET /v1/auth/methods tells how to sign in")

// oidcStart answers weft.users.oidc_start. The state that it makes is the key to what the second step needs, which is
// kept where only this role reads, and once.
func (r *Role) oidcStart(ctx context.Context, req contract.UsersOIDCStartRequest) (contract.UsersOIDCStartReply, error) {
	var none contract.UsersOIDCStartReply
	if r.cfg.OIDC == nil {
		return none, errNoIssuer
	}
	if err := text("address", req.Address, maxAddressBytes); err != nil {
		return none, err
	}
	if err := r.admitTry(ctx, req.Address); err != nil {
		return none, err
	}
	state := rand.Text()
	to, pending, err := r.cfg.OIDC.Begin(ctx, state, req.RedirectURI)
	if err != nil {
		return none, r.fromIssuer(err)
	}
	data, err := json.Marshal(pending)
	if err != nil {
		return none, fmt.Errorf("encode: %w", err)
	}
	if _, err := r.pending.Create(ctx, state, data); err != nil {
		return none, fmt.Errorf("keep a sign-in: %w", err)
	}
	return contract.UsersOIDCStartReply{URL: to, State: state}, nil
}

// oidcToken answers weft.users.oidc_token.
func (r *Role) oidcToken(ctx context.Context, req contract.UsersOIDCTokenRequest) (contract.UsersTokenReply, error) {
	reply, err := r.oidcSignIn(ctx, req)
	r.signIns.WithLabelValues("oidc", result(err)).Inc()
	if err != nil {
		r.audit.WriteBounded(audit.Event{What: audit.SignInRefused, Address: req.Address, Op: "oidc_token", Code: fabric.CodeOf(err)})
	} else {
		r.audit.Write(audit.Event{What: audit.SignIn, User: reply.User.ID, Device: reply.Device.ID, Address: req.Address, Detail: "OpenID Connect"})
	}
	return reply, err
}

func (r *Role) oidcSignIn(ctx context.Context, req contract.UsersOIDCTokenRequest) (contract.UsersTokenReply, error) {
	var none contract.UsersTokenReply
	if r.cfg.OIDC == nil {
		return none, errNoIssuer
	}
	if err := errors.Join(checkDevice(req.Device), text("address", req.Address, maxAddressBytes)); err != nil {
		return none, err
	}
	if err := r.admitTry(ctx, req.Address); err != nil {
		return none, err
	}
	pending, err := r.spend(ctx, req.State)
	if err != nil {
		return none, err
	}
	person, err := r.cfg.OIDC.Finish(ctx, pending, req.Code)
	if err != nil {
		return none, r.fromIssuer(err)
	}
	name := person.Name
	if name == "" {
		name = "New here"
	}
	return r.enter(ctx, SignIn{Identity: Identity{person.Issuer, person.Subject}, Name: name}, req.Device)
}

// spend returns what belongs to a state, which is good for one sign-in.
func (r *Role) spend(ctx context.Context, state string) (p oidc.Pending, err error) {
	if !subjects.ValidState(state) {
		return p, oidc.ErrRefused
	}
	entry, err := r.pending.Get(ctx, state)
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		return p, oidc.ErrRefused
	}
	if err == nil {
		err = r.pending.Purge(ctx, state, jetstream.LastRevision(entry.Revision()))
	}
	var api *jetstream.APIError
	if errors.As(err, &api) && api.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequence {
		return p, oidc.ErrRefused // somebody else has spent it
	}
	if err != nil {
		return p, fmt.Errorf("read a sign-in: %w", err)
	}
	if err := json.Unmarshal(entry.Value(), &p); err != nil {
		return p, fmt.Errorf("read a sign-in: %w", err)
	}
	return p, nil
}

// fromIssuer logs what an issuer did wrong, and returns what the person who signs in is told.
func (r *Role) fromIssuer(err error) error {
	known, is := fabric.AsError(err)
	if !is {
		return err
	}
	if known.Code == fabric.CodeUnavailable || known.Code == fabric.CodeUnauthenticated {
		r.log.Warn("a sign-in by OpenID Connect failed", "err", err)
	}
	return known
}

// enter signs a device in, of somebody who has shown who they are.
func (r *Role) enter(ctx context.Context, in SignIn, device contract.NewDevice) (contract.UsersTokenReply, error) {
	var none contract.UsersTokenReply
	now, refresh := r.cfg.Now(), auth.NewRefreshToken()
	in.NewUser = fabric.NewUserID()
	in.Device = fabric.Device{
		ID: fabric.NewDeviceID(), Name: device.Name, Platform: device.Platform, CreatedAt: fabric.Millis(now), SeenAt: fabric.Millis(now),
	}
	in.PublicKey, in.RefreshExpiresAt = device.PublicKey, fabric.Millis(now.Add(auth.RefreshLife))
	in.Family, in.Once = refresh.Hashes()
	user, revoked, err := r.store.SignIn(ctx, in, r.cfg.Devices)
	if err != nil {
		return none, fmt.Errorf("sign in: %w", err)
	}
	for _, d := range revoked {
		if err := r.tellRevoked(ctx, user.ID, d, subjects.RevokedTooMany); err != nil {
			return none, err
		}
		r.audit.Write(audit.Event{What: audit.DeviceRevoked, User: user.ID, Device: d, Detail: "the user has too many"})
	}
	return r.grant(Holder{User: user, Device: in.Device, PublicKey: in.PublicKey}, refresh)
}
