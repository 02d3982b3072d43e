package media

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/weft-im/weft/audit"
	"github.com/weft-im/weft/contract"
	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/service"
	"github.com/weft-im/weft/subjects"
)

// How long a scanner is waited for, and after how long it is asked again where there is none.
const (
	scanWithin = 10 * time.Minute
	scanPause  = time.Second
)

// scan has an upload looked at, where that is wanted, and condemns what is harmful. While no scanner answers the upload
// does not become a file.
func (r *Role) scan(ctx context.Context, e entry, o *Object) error {
	if !r.cfg.Scan {
		return nil
	}
	req := contract.MediaScanRequest{Blob: e.ID, Size: e.Size, Type: o.Type, SHA256: o.SHA256, User: e.User}
	for {
		one, cancel := context.WithTimeout(ctx, scanWithin)
		reply, err := service.Call[contract.MediaScanReply](one, r.nc, subjects.MediaScan, req)
		cancel()
		switch {
		case err == nil && reply.Err == nil && reply.Harmful == "":
			return nil
		case err == nil && reply.Err == nil:
			o.State = contract.MediaCondemned
			r.metrics.condemned.Inc()
			r.log.Warn("an upload is harmful: nobody loads it", "upload", e.ID, "user", e.User, "found", reply.Harmful)
			r.audit.Write(audit.Event{What: audit.FileCondemned, User: e.User, Channel: e.Channel, Detail: string(e.ID) + ": " + reply.Harmful})
			return nil
		case ctx.Err() != nil:
			return errors.Join(ctx.Err(), err)
		case err == nil:
			err = reply.Err
		}
		r.log.Warn("an upload waits for a scanner", "upload", e.ID, "err", err)
		select {
		case <-time.After(scanPause):
		case <-ctx.Done():
			return fmt.Errorf("%w (%w)", fabric.Errorf(fabric.CodeUnavailable, "upload %s waits for a scanner", e.ID), err)
		}
	}
}
