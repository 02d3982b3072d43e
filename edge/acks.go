package edge

import (
	"context"
	"strconv"
	"sync"
	"time"

	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/subjects"
)

// Telling what devices have acked.
const (
	tellAcksEvery = 50 * time.Millisecond
	tellAcksBytes = 64 << 10 // of one message
)

// acks tells the push role what each device has acked. The marks that are stored are a user's, of all devices together,
// and those of large groups are written seconds later (receipts.go): whether a phone in a pocket must be pushed while a
// laptop shows the message, and in time, only the devices' own acks say. They are told in batches and never stored.
type acks struct {
	edge *Edge

	mu   sync.Mutex
	told []byte // lines of channel, user, device, delivered, read
	wake chan struct{}
}

func newAcks(e *Edge) *acks { return &acks{edge: e, wake: make(chan struct{}, 1)} }

// note takes a device's ack.
func (a *acks) note(c fabric.ChannelID, d fabric.DeviceID, marks fabric.Receipt) {
	a.mu.Lock()
	defer a.mu.Unlock()
	first := len(a.told) == 0
	a.told = append(a.told, c...)
	a.told = append(a.told, ' ')
	a.told = append(a.told, marks.User...)
	a.told = append(a.told, ' ')
	a.told = append(a.told, d...)
	a.told = strconv.AppendUint(append(a.told, ' '), marks.Delivered, 10)
	a.told = strconv.AppendUint(append(a.told, ' '), marks.Read, 10)
	a.told = append(a.told, '\n')
	if first || len(a.told) >= tellAcksBytes {
		select {
		case a.wake <- struct{}{}:
		default:
		}
	}
}

// run tells until ctx ends.
func (a *acks) run(ctx context.Context) {
	pause := time.NewTimer(tellAcksEvery)
	defer pause.Stop()
	for {
		select {
		case <-ctx.Done():
			a.tell()
			return
		case <-a.wake:
		}
		a.mu.Lock()
		full := len(a.told) >= tellAcksBytes
		a.mu.Unlock()
		if !full {
			pause.Reset(tellAcksEvery)
			select {
			case <-ctx.Done():
			case <-a.wake: // full
			case <-pause.C:
			}
		}
		a.tell()
	}
}

func (a *acks) tell() {
	a.mu.Lock()
	told := a.told
	a.told = nil
	a.mu.Unlock()
	for len(told) > 0 {
		end := min(len(told), tellAcksBytes)
		for told[end-1] != '\n' {
			end--
		}
		if err := a.edge.nc.Publish(subjects.Acked(a.edge.cfg.ID), told[:end]); err != nil {
			a.edge.log.Warn("cannot tell what devices have acked: some are pushed what they have", "err", err)
			return
		}
		told = told[end:]
	}
}
