package users

import (
	"context"
	"errors"
	"fmt"
	"unicode/utf8"

	"github.com/nats-io/nkeys"

	"github.com/weft-im/weft/audit"
	"github.com/weft-im/weft/auth"
	"github.com/weft-im/weft/contract"
	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/subjects"
)

// Bounds of names, in bytes.
const (
	maxNameBytes     = 100
	maxDeviceBytes   = 100
	maxPlatformBytes = 40
	maxCodeBytes     = 16
	maxAddressBytes  = 64
)

// token answers weft.users.token: a code for a pair of tokens.
func (r *Role) token(ctx context.Context, req contract.UsersTokenRequest) (contract.UsersTokenReply, error) {
	reply, err := r.signIn(ctx, req)
	r.signIns.WithLabelValues("sign-in", result(err)).Inc()
	if err != nil {
		r.audit.WriteBounded(audit.Event{
			What: audit.SignInRefused, Address: req.Address, Op: "token", Code: fabric.CodeOf(err), Detail: "phone " + audit.Phone(req.Phone),
		})
	} else {
		r.audit.Write(audit.Event{What: audit.SignIn, User: reply.User.ID, Device: reply.Device.ID, Address: req.Address})
	}
	return reply, err
}

func (r *Role) signIn(ctx context.Context, req contract.UsersTokenRequest) (contract.UsersTokenReply, error) {
	var none contract.UsersTokenReply
	if r.cfg.NoCodes {
		return none, errNoCodes
	}
	from, err := phone(req.Phone, r.cfg.Dev)
	if err != nil {
		return none, err
	}
	if err := errors.Join(
		text("name", req.Name, maxNameBytes), checkDevice(req.Device), text("code", req.Code, maxCodeBytes),
		text("address", req.Address, maxAddressBytes),
	); err != nil {
		return none, err
	}
	if err := r.admitTry(ctx, req.Address); err != nil {
		return none, err
	}
	now := r.cfg.Now()
	err = r.store.TryCode(ctx, from, auth.CodeHash(from, req.Code), fabric.Millis(now), auth.CodeTries)
	if errors.Is(err, ErrWrongCode) {
		return none, fabric.Errorf(fabric.CodeUnauthenticated, "the code is wrong or has expired: ask for a new one")
	}
	if err != nil {
		return none, fmt.Errorf("try code: %w", err)
	}
	name := req.Name
	if name == "" {
		name = from
	}
	return r.enter(ctx, SignIn{Phone: from, Name: name}, req.Device)
}

// checkDevice checks how a device presents itself.
func checkDevice(d contract.NewDevice) error {
	if err := errors.Join(text("device.name", d.Name, maxDeviceBytes), text("device.platform", d.Platform, maxPlatformBytes)); err != nil {
		return err
	}
	if d.PublicKey != "" && !nkeys.IsValidPublicUserKey(d.PublicKey) {
		return fabric.Errorf(fabric.CodeBadRequest, "device.public_key: want the public half of a user nkey (U…)")
	}
	return nil
}

// refresh answers weft.users.refresh.
func (r *Role) refresh(ctx context.Context, req contract.UsersRefreshRequest) (contract.UsersTokenReply, error) {
	reply, err := r.rotate(ctx, req)
	r.signIns.WithLabelValues("refresh", result(err)).Inc()
	return reply, err
}

func (r *Role) rotate(ctx context.Context, req contract.UsersRefreshRequest) (contract.UsersTokenReply, error) {
	var none contract.UsersTokenReply
	if err := errors.Join(text("attempt", req.Attempt, contract.MaxAttempt), text("address", req.Address, maxAddressBytes)); err != nil {
		return none, err
	}
	spent, err := auth.ParseRefreshToken(req.RefreshToken)
	if err != nil {
		return none, err
	}
	now, next := r.cfg.Now(), spent.Next()
	rotation := Rotation{Attempt: req.Attempt, At: fabric.Millis(now), ExpiresAt: fabric.Millis(now.Add(auth.RefreshLife))}
	rotation.Family, rotation.Once = spent.Hashes()
	_, rotation.Next = next.Hashes()
	holder, err := r.store.Rotate(ctx, rotation)
	switch {
	case errors.Is(err, ErrNoGrant):
		return none, fabric.Errorf(fabric.CodeUnauthenticated, "the refresh token is not good (any more): sign in again")
	case errors.Is(err, ErrSpent):
		r.reuses.Inc()
		r.log.Warn("a spent refresh token was used: its device is revoked", "user", holder.User.ID, "device", holder.Device.ID)
		r.audit.Write(audit.Event{What: audit.RefreshReused, User: holder.User.ID, Device: holder.Device.ID, Address: req.Address})
		if err := r.tellRevoked(ctx, holder.User.ID, holder.Device.ID, subjects.RevokedReused); err != nil {
			return none, err
		}
		return none, fabric.Errorf(fabric.CodeUnauthenticated, "the refresh token was used before, so the device is revoked: sign in again")
	case err != nil:
		return none, fmt.Errorf("refresh: %w", err)
	}
	return r.grant(holder, next)
}

// grant signs an access token beside a refresh token.
func (r *Role) grant(h Holder, refresh auth.RefreshToken) (contract.UsersTokenReply, error) {
	access, expires, err := r.issuer.Issue(h.User.ID, h.Device.ID, h.PublicKey, r.cfg.Now())
	if err != nil {
		return contract.UsersTokenReply{}, err
	}
	return contract.UsersTokenReply{
		User: h.User, Device: h.Device, AccessToken: access, ExpiresAt: fabric.Millis(expires), RefreshToken: refresh.String(),
	}, nil
}

// text checks what a person named something: text of at most so many bytes that no terminal takes for a command.
func text(field, s string, most int) error {
	if len(s) > most {
		return fabric.Errorf(fabric.CodeBadRequest, "%s: want at most %d bytes, got %d", field, most, len(s))
	}
	if !utf8.ValidString(s) {
		return fabric.Errorf(fabric.CodeBadRequest, "%s: want text in UTF-8", field)
	}
	for _, c := range s {
		if c < ' ' || c == 0x7f {
			return fabric.Errorf(fabric.CodeBadRequest, "%s: want text without control characters", field)
		}
	}
	return nil
}

// result is an error as metrics tell it.
func result(err error) string {
	if err == nil {
		return "ok"
	}
	return string(fabric.CodeOf(err))
}
