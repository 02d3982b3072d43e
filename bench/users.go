package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weft-im/weft/client"
	"github.com/weft-im/weft/fabric"
)

// user is one of the run's users, signed in.
type user struct {
	Phone   string        `json:"phone"`
	ID      fabric.UserID `json:"id"`
	Access  string        `json:"access_token"`
	Expires int64         `json:"expires_at"` // Unix milliseconds
	Refresh string        `json:"refresh_token"`
}

// phone returns the phone of user i: in the range +49 151 1000 0000 and up, which numbering plans call valid. Nothing is
// ever sent there, since users sign in on servers in dev mode only.
func phone(i int) string { return fmt.Sprintf("+49151%08d", 10_000_000+i) }

// stillGood is how long an access token must hold for a run to begin with it.
const stillGood = 12 * time.Minute

// signInWorkers is how many users sign in at once: more would only queue on the server's cores.
const signInWorkers = 8

// userCache is what --users keeps.
type userCache struct {
	URL   string `json:"url"`
	Users []user `json:"users"` // by their number
}

// users returns n users, signed in: those of the cache, as far as it goes and the server knows them, then new ones.
func (t Target) users(ctx context.Context, n int) ([]user, error) {
	api := client.API{URL: t.URL, HTTP: &http.Client{
		Transport: &http.Transport{MaxIdleConnsPerHost: signInWorkers},
		Timeout:   30 * time.Second,
	}}
	cached, err := t.cached(ctx, api)
	if err != nil {
		return nil, err
	}
	users := make([]user, max(n, len(cached)))
	copy(users, cached)

	begun := time.Now()
	// The first alone: a server that does not tell its codes is asked for one only, and sends one message at most.
	if users[0], err = signIn(ctx, api, users[0], 0); err != nil {
		return nil, fmt.Errorf("sign in: %w", err)
	}
	var fresh atomic.Int64
	err = parallel(ctx, signInWorkers, n, func(ctx context.Context, i int) error {
		was := users[i].Access
		u, err := signIn(ctx, api, users[i], i)
		if err != nil {
			return fmt.Errorf("sign in %s: %w", phone(i), err)
		}
		users[i] = u
		if u.Access != was {
			if done := fresh.Add(1); done%1000 == 0 {
				t.note("%d of %d users signed in", done, n)
			}
		}
		return nil
	})
	// What was spent and gained is kept in any case: a refresh token that is spent twice revokes its device.
	if keepErr := t.keep(users); keepErr != nil {
		err = errors.Join(err, keepErr)
	}
	if err != nil {
		return nil, err
	}
	t.note("%d users, %d of them signed in or renewed in %.1f s", n, fresh.Load(), time.Since(begun).Seconds())
	return users[:n], nil
}

// signIn returns user i with an access token that holds for a while: the one they have, renewed, or by a one-time code.
func signIn(ctx context.Context, api client.API, u user, i int) (user, error) {
	if u.Access != "" && time.Until(time.UnixMilli(u.Expires)) > stillGood {
		return u, nil
	}
	if u.Refresh != "" {
		g, err := patiently(ctx, func() (client.Grant, error) { return api.Refresh(ctx, u.Refresh, "") })
		if err == nil {
			return userOf(g, u.Phone), nil
		}
		if fabric.CodeOf(err) != fabric.CodeUnauthenticated {
			return user{}, err
		}
	}
	number := phone(i)
	ask := func() (client.OTP, error) { return api.OTP(ctx, number) }
	if i > 0 { // the first is asked for once: out of dev mode no time helps
		once := ask
		ask = func() (client.OTP, error) { return patiently(ctx, once) }
	}
	otp, err := ask()
	switch code := fabric.CodeOf(err); {
	case i == 0 && (code == fabric.CodeUnavailable || code == fabric.CodeRateLimited):
		return user{}, fmt.Errorf("%w (it is not in dev mode, as it seems: in it no code is sent, it is told)", err)
	case err != nil:
		return user{}, err
	case otp.DevCode == "":
		return user{}, errors.New("the server is not in dev mode: it does not tell one-time codes, so nobody can sign in here")
	}
	g, err := patiently(ctx, func() (client.Grant, error) {
		return api.Token(ctx, client.SignIn{
			Phone: number, Code: otp.DevCode, Name: fmt.Sprintf("Bench %d", i),
			Device: client.NewDevice{Name: "bench", Platform: "bench"},
		})
	})
	if err != nil {
		return user{}, err
	}
	return userOf(g, number), nil
}

func userOf(g client.Grant, phone string) user {
	return user{Phone: phone, ID: g.User.ID, Access: g.AccessToken, Expires: g.ExpiresAt, Refresh: g.RefreshToken}
}

// patiently asks again where the server has no time just now.
func patiently[T any](ctx context.Context, ask func() (T, error)) (T, error) {
	for attempt := 1; ; attempt++ {
		v, err := ask()
		code := fabric.CodeOf(err)
		if err == nil || attempt == 8 || code != fabric.CodeRateLimited && code != fabric.CodeUnavailable {
			return v, err
		}
		select {
		case <-time.After(client.DefaultBackoff(attempt)):
		case <-ctx.Done():
			return v, ctx.Err()
		}
	}
}

// cached returns the users of the cache, none where the server is another one by now.
func (t Target) cached(ctx context.Context, api client.API) ([]user, error) {
	if t.Users == "" {
		return nil, nil
	}
	b, err := os.ReadFile(t.Users)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("cached users: %w", err)
	}
	var c userCache
	if err := json.Unmarshal(b, &c); err != nil {
		return nil, fmt.Errorf("cached users: %s: %w (remove the file to begin anew)", t.Users, err)
	}
	if len(c.Users) == 0 || c.URL != t.URL {
		return nil, nil
	}
	first := c.Users[0]
	if time.Until(time.UnixMilli(first.Expires)) < stillGood {
		return c.Users, nil // renewing them shows whether the server knows them
	}
	found, err := api.Lookup(ctx, first.Access, first.Phone)
	if err != nil && fabric.CodeOf(err) != fabric.CodeUnauthenticated {
		return nil, fmt.Errorf("cached users: %w", err)
	}
	if len(found) != 1 || found[0].ID != first.ID {
		t.note("the server does not know the users of %s: signing in new ones", t.Users)
		return nil, nil
	}
	return c.Users, nil
}

// keep stores the users for the next run, whole or not at all.
func (t Target) keep(users []user) error {
	if t.Users == "" {
		return nil
	}
	b, err := json.Marshal(userCache{URL: t.URL, Users: users})
	if err != nil {
		return fmt.Errorf("keep users: %w", err)
	}
	tmp, err := os.CreateTemp(filepath.Dir(t.Users), filepath.Base(t.Users)+".*")
	if err != nil {
		return fmt.Errorf("keep users: %w", err)
	}
	_, err = tmp.Write(b) // CreateTemp's mode is 0600, as it should be for tokens
	if err = errors.Join(err, tmp.Close()); err == nil {
		err = os.Rename(tmp.Name(), t.Users)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("keep users: %w", err), os.Remove(tmp.Name()))
	}
	return nil
}

// parallel does work for 0 … n−1 with so many workers, and returns the first error, at which it stops.
func parallel(ctx context.Context, workers, n int, work func(ctx context.Context, i int) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var next atomic.Int64
	var done sync.WaitGroup
	for range min(workers, n) {
		done.Go(func() {
			for ctx.Err() == nil {
				i := int(next.Add(1)) - 1
				if i >= n {
					return
				}
				if err := work(ctx, i); err != nil {
					cancel(err)
				}
			}
		})
	}
	done.Wait()
	return context.Cause(ctx)
}
