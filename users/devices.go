package users

import (
	"context"
	"fmt"

	"github.com/weft-im/weft/audit"
	"github.com/weft-im/weft/contract"
	"github.com/weft-im/weft/fabric"
)

// devices answers weft.users.devices.
func (r *Role) devices(ctx context.Context, req contract.UsersDevicesRequest) (contract.UsersDevicesReply, error) {
	devices, err := r.store.Devices(ctx, req.User)
	if err != nil {
		return contract.UsersDevicesReply{}, fmt.Errorf("devices of %s: %w", req.User, err)
	}
	for i := range devices {
		devices[i].Current = devices[i].ID == req.Device
	}
	if devices == nil {
		devices = []fabric.Device{}
	}
	return contract.UsersDevicesReply{Devices: devices}, nil
}

// revoke answers weft.users.revoke. First the database, so that no new token is given, then the bucket, which ends the
// sessions: asking again does both again, so that a failure between them is mended.
func (r *Role) revoke(ctx context.Context, req contract.UsersRevokeRequest) (struct{}, error) {
	if err := r.end(ctx, req.User, req.Device); err != nil {
		return struct{}{}, err
	}
	r.audit.Write(audit.Event{What: audit.DeviceRevoked, User: req.User, Device: req.Device})
	return struct{}{}, nil
}

// end ends a device's tokens and sessions.
func (r *Role) end(ctx context.Context, u fabric.UserID, d fabric.DeviceID) error {
	if err := r.store.Revoke(ctx, u, d, fabric.Millis(r.cfg.Now())); err != nil {
		return fmt.Errorf("revoke device %s of %s: %w", d, u, err)
	}
	return r.tellRevoked(ctx, u, d, "")
}
