package edge

import (
	"errors"
	"fmt"
	"net"
	"sync"

	"golang.org/x/sys/unix"
)

// parkingLot watches the sockets of idle sessions by one epoll instance, so that an idle session costs no goroutine and
// no read buffer. A session parks between two frames; the lot forgets it when it becomes readable and wakes it.
type parkingLot struct {
	epfd int
	wake func(*Session)
	wg   sync.WaitGroup

	mu     sync.Mutex
	parked map[uint64]*Session // by the session's number: an event of a closed socket finds nobody
}

// newParkingLot returns a lot that calls wake, in its own goroutine, for each session that can be read again.
func newParkingLot(wake func(*Session)) (*parkingLot, error) {
	epfd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("epoll: %w", err)
	}
	return &parkingLot{epfd: epfd, wake: wake, parked: make(map[uint64]*Session)}, nil
}

// fdOf returns the descriptor of a TCP connection; ok is false for other ones, which then keep their goroutine.
func fdOf(c net.Conn) (fd int, ok bool) {
	tcp, isTCP := c.(*net.TCPConn)
	if !isTCP {
		return 0, false
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return 0, false
	}
	if err := raw.Control(func(f uintptr) { fd = int(f) }); err != nil {
		return 0, false
	}
	return fd, true
}

// park waits for s to be readable. It reports false where that cannot be; the caller then reads on itself.
func (l *parkingLot) park(s *Session) bool {
	event := unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLRDHUP | unix.EPOLLONESHOT}
	event.Fd, event.Pad = int32(uint32(s.number)), int32(uint32(s.number>>32)) // two halves of one number
	s.sock.life.Lock()
	defer s.sock.life.Unlock()
	if s.sock.closed {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	op := unix.EPOLL_CTL_MOD
	if !s.watched {
		op = unix.EPOLL_CTL_ADD
	}
	// Level-triggered: what arrived meanwhile wakes it at once. The kernel forgets the descriptor when it is closed.
	if err := unix.EpollCtl(l.epfd, op, s.fd, &event); err != nil {
		return false
	}
	s.watched = true
	l.parked[s.number] = s
	return true
}

// unpark forgets s; it reports whether s was parked, and so is the caller's to wake or to end.
func (l *parkingLot) unpark(s *Session) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, ok := l.parked[s.number]
	delete(l.parked, s.number)
	return ok
}

// run wakes sessions until stop is called.
func (l *parkingLot) run() error {
	events := make([]unix.EpollEvent, 256)
	for {
		n, err := unix.EpollWait(l.epfd, events, -1)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return fmt.Errorf("epoll wait: %w", err)
		}
		for _, e := range events[:n] {
			number := uint64(uint32(e.Fd)) | uint64(uint32(e.Pad))<<32
			if number == 0 {
				return nil // stop's event
			}
			l.mu.Lock()
			s := l.parked[number]
			delete(l.parked, number)
			l.mu.Unlock()
			if s != nil {
				l.wake(s)
			}
		}
	}
}

// count tells how many are parked.
func (l *parkingLot) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.parked)
}

// start runs the lot in a goroutine that stop waits for.
func (l *parkingLot) start(failed func(error)) {
	l.wg.Go(func() {
		if err := l.run(); err != nil {
			failed(err)
		}
	})
}

// stop ends the lot.
func (l *parkingLot) stop() error {
	fd, err := unix.Eventfd(1, unix.EFD_CLOEXEC) // readable from the start
	if err != nil {
		return fmt.Errorf("eventfd: %w", err)
	}
	defer unix.Close(fd)
	if err := unix.EpollCtl(l.epfd, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: unix.EPOLLIN}); err != nil {
		return fmt.Errorf("stop epoll: %w", err)
	}
	l.wg.Wait()
	return unix.Close(l.epfd)
}
