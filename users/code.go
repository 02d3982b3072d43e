package users

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/weft-im/weft/auth"
	"github.com/weft-im/weft/contract"
	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/subjects"
)

// sendWithin is how long whoever sends text messages may take to answer.
const sendWithin = 5 * time.Second

var errNoCodes = fabric.Errorf(fabric.CodeForbidden, "this server sends no one-time codes: GET /v1/auth/methods tells how to sign in")

// otp answers weft.users.otp. It answers the same whether the phone has a user or not.
func (r *Role) otp(ctx context.Context, req contract.UsersOTPRequest) (contract.UsersOTPReply, error) {
	var none contract.UsersOTPReply
	if r.cfg.NoCodes {
		return none, errNoCodes
	}
	to, err := phone(req.Phone, r.cfg.Dev)
	if err != nil {
		return none, err
	}
	if err := text("address", req.Address, maxAddressBytes); err != nil {
		return none, err
	}
	if err := r.admitCode(ctx, to, req.Address); err != nil {
		return none, err
	}
	code, err := auth.NewCode()
	if err != nil {
		return none, err
	}
	reply := contract.UsersOTPReply{Phone: to, ExpiresAt: fabric.Millis(r.cfg.Now().Add(auth.CodeLife))}
	// Stored before it is sent: the person may be quicker than we are.
	if err := r.store.SaveCode(ctx, Code{Phone: to, Hash: auth.CodeHash(to, code), ExpiresAt: reply.ExpiresAt}); err != nil {
		return none, fmt.Errorf("save code: %w", err)
	}
	if r.cfg.Dev {
		reply.DevCode = code
		return reply, nil
	}
	if err := r.send(ctx, contract.SendOTPRequest{Phone: to, Code: code, ExpiresAt: reply.ExpiresAt}); err != nil {
		return none, err
	}
	return reply, nil
}

// send has a code sent by the service that listens on subjects.SendOTP.
func (r *Role) send(ctx context.Context, req contract.SendOTPRequest) error {
	data, err := json.Marshal(req)
	if err != nil {
		return fmt.Errorf("encode: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, sendWithin)
	defer cancel()
	msg, err := r.nc.RequestWithContext(ctx, subjects.SendOTP, data)
	var reply contract.SendOTPReply
	switch {
	case errors.Is(err, nats.ErrNoResponders):
		r.log.Error("a one-time code was not sent: no service answers", "subject", subjects.SendOTP)
	case err != nil:
		r.log.Error("a one-time code was perhaps not sent", "subject", subjects.SendOTP, "err", err)
	case json.Unmarshal(msg.Data, &reply) != nil:
		r.log.Error("a one-time code was perhaps not sent: the answer is no JSON", "subject", subjects.SendOTP)
	case reply.Err != nil:
		r.log.Error("a one-time code was not sent", "subject", subjects.SendOTP, "err", reply.Err)
	default:
		return nil
	}
	return fabric.Errorf(fabric.CodeUnavailable, "the code could not be sent: try again later")
}
