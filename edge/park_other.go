//go:build !linux

package edge

import "net"

// parkingLot is Linux's: elsewhere every session keeps its goroutine.
type parkingLot struct{}

func newParkingLot(func(*Session)) (*parkingLot, error) { return &parkingLot{}, nil }

func fdOf(net.Conn) (fd int, ok bool) { return 0, false }

func (*parkingLot) park(*Session) bool   { return false }
func (*parkingLot) unpark(*Session) bool { return false }
func (*parkingLot) count() int           { return 0 }
func (*parkingLot) start(func(error))    {}
func (*parkingLot) stop() error          { return nil }
