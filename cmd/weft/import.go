package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
	_ "time/tzdata" // --zone works where the system has no zones, as in a container with nothing but weft

	"github.com/nats-io/nats.go"

	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/node"
	"github.com/weft-im/weft/whatsapp"
	"github.com/weft-im/weft/whatsapp/importer"
)

// importCmd brings what others have kept into a fabric.
type importCmd struct {
	WhatsApp importWhatsAppCmd `cmd:"" name:"whatsapp" help:"Bring an exported WhatsApp chat into a chat or group. It shows what it would do, and asks."`
}

type importWhatsAppCmd struct {
	File string `arg:"" help:"The .zip that WhatsApp exported, or the .txt in it." placeholder:"FILE"`

	Channel string   `required:"" help:"Where it goes: a group, g.<group id>, or a direct chat, <low>.<high>." placeholder:"ID"`
	As      []string `sep:"none" help:"An author of the file is this member; may be repeated. Without, members are found by their names and phones." placeholder:"NAME=USER_ID"`
	From    string   `help:"The member who stands for authors that are no members." placeholder:"USER_ID"`

	Zone       string `help:"The time zone of the phone that exported, as in Europe/Berlin; this machine's by default." placeholder:"ZONE"`
	DayFirst   bool   `name:"day-first" xor:"order" help:"Dates are day/month, where the file can't tell."`
	MonthFirst bool   `name:"month-first" xor:"order" help:"Dates are month/day, where the file can't tell."`

	Yes    bool `help:"Import without asking." xor:"do"`
	DryRun bool `name:"dry-run" help:"Only show what would be imported." xor:"do"`

	Data  string `env:"WEFT_DATA" default:"weft-data" help:"Data folder of the fabric: the credentials are in it." placeholder:"DIR"`
	NATS  string `name:"nats" env:"WEFT_NATS" default:"nats://127.0.0.1:4222" help:"The fabric's NATS." placeholder:"URL"`
	Creds string `env:"WEFT_CREDS" help:"Credentials for it, instead of those in the data folder." placeholder:"FILE"`
}

// Run shows what an import would do, asks, and does it.
func (c *importWhatsAppCmd) Run(ctx context.Context) error {
	cfg, err := c.config()
	if err != nil {
		return err
	}
	chat, err := c.read()
	if err != nil {
		return fmt.Errorf("%s: %w", c.File, err)
	}
	nc, err := c.connect()
	if err != nil {
		return err
	}
	defer nc.Close()
	im, err := importer.New(ctx, nc, cfg)
	if err != nil {
		return err
	}
	plan, err := im.Plan(ctx, chat)
	if err != nil {
		return err
	}
	if !c.Yes {
		if _, err := plan.WriteTo(os.Stdout); err != nil {
			return err
		}
	}
	if err := c.lacks(plan); err != nil || c.DryRun {
		return err
	}
	if plan.New == 0 {
		fmt.Println("All of it is there already: nothing to import.")
		return nil
	}
	if !c.Yes {
		if ok, err := ask(ctx, os.Stdin, fmt.Sprintf("Import %d messages?", plan.New)); err != nil || !ok {
			return err
		}
	}
	return carryOut(ctx, im, plan)
}

// config reads the flags that name people and places.
func (c *importWhatsAppCmd) config() (importer.Config, error) {
	cfg := importer.Config{As: make(map[string]fabric.UserID, len(c.As))}
	var err error
	if cfg.Channel, err = fabric.ParseChannelID(c.Channel); err != nil {
		return cfg, fmt.Errorf("--channel: %w", err)
	}
	for _, as := range c.As {
		i := strings.LastIndexByte(as, '=') // a name may have one, an id has none
		if i < 1 {
			return cfg, fmt.Errorf("--as %q: want NAME=USER_ID", as)
		}
		name := as[:i]
		if _, twice := cfg.As[name]; twice {
			return cfg, fmt.Errorf("--as %q: this author is somebody else already", as)
		}
		if cfg.As[name], err = fabric.ParseUserID(as[i+1:]); err != nil {
			return cfg, fmt.Errorf("--as %q: %w", name, err)
		}
	}
	if c.From != "" {
		if cfg.From, err = fabric.ParseUserID(c.From); err != nil {
			return cfg, fmt.Errorf("--from: %w", err)
		}
	}
	if cfg.Channel.Kind() == fabric.KindGroup && cfg.From == "" && len(cfg.As) == 0 {
		return cfg, errors.New("a group tells only members who is in it: name one by --from USER_ID or --as NAME=USER_ID")
	}
	return cfg, nil
}

// read reads the file.
func (c *importWhatsAppCmd) read() (*whatsapp.Chat, error) {
	opts := whatsapp.Options{Zone: time.Local}
	if c.Zone != "" {
		var err error
		if opts.Zone, err = time.LoadLocation(c.Zone); err != nil {
			return nil, fmt.Errorf("--zone: want a name as Europe/Berlin or UTC: %w", err)
		}
	}
	switch {
	case c.DayFirst:
		opts.Order = whatsapp.DayFirst
	case c.MonthFirst:
		opts.Order = whatsapp.MonthFirst
	}
	return whatsapp.Open(c.File, opts)
}

// connect connects to the fabric's NATS as an operator.
func (c *importWhatsAppCmd) connect() (*nats.Conn, error) {
	opts := []nats.Option{nats.Name("weft import"), nats.MaxReconnects(-1), nats.ReconnectWait(500 * time.Millisecond)}
	creds := c.Creds
	if creds == "" {
		creds = node.OperatorCreds(c.Data)
		if _, err := os.Stat(creds); errors.Is(err, os.ErrNotExist) {
			creds = "" // a NATS that asks for none; one that does says so
		}
	}
	if creds != "" {
		opts = append(opts, nats.UserCredentials(creds))
	}
	nc, err := nats.Connect(c.NATS, opts...)
	switch {
	case errors.Is(err, nats.ErrAuthorization) && creds == "":
		return nil, fmt.Errorf("%s wants credentials, and there are none in data folder %s: name the folder by --data, or a file by --creds", c.NATS, c.Data)
	case err != nil:
		return nil, fmt.Errorf("connect to %s: is the fabric up, and that its NATS (--nats)? %w", c.NATS, err)
	}
	return nc, nil
}

// lacks says by which flags a plan becomes one that can be carried out.
func (c *importWhatsAppCmd) lacks(p *importer.Plan) error {
	err := p.Ready()
	switch {
	case err == nil:
		return nil
	case len(p.Unmapped()) > 0:
		return fmt.Errorf("%w (--as NAME=USER_ID for each, or --from USER_ID for all)", err)
	}
	return fmt.Errorf("%w (--day-first or --month-first)", err)
}

// ask asks whoever sits there. An end of the input is a no.
func ask(ctx context.Context, in io.Reader, question string) (bool, error) {
	fmt.Print(question + " [y/N] ")
	answer := make(chan string, 1)
	go func() { // ends with the process: a read of the standard input can't be ended otherwise
		line, _ := bufio.NewReader(in).ReadString('\n')
		answer <- line
	}()
	select {
	case <-ctx.Done():
		fmt.Println()
		return false, ctx.Err()
	case line := <-answer:
		switch strings.ToLower(strings.TrimSpace(line)) {
		case "y", "yes":
			return true, nil
		}
		fmt.Println("Nothing was imported.")
		return false, nil
	}
}

// carryOut imports, and tells on the standard error how far it is.
func carryOut(ctx context.Context, im *importer.Importer, plan *importer.Plan) error {
	began, told := time.Now(), time.Time{}
	res, err := im.Run(ctx, plan, func(done int) {
		if time.Since(told) < time.Second && done < plan.New {
			return
		}
		told = time.Now()
		fmt.Fprintf(os.Stderr, "%d of %d messages, %.0f%%\n", done, plan.New, 100*float64(done)/float64(plan.New))
	})
	if err != nil {
		return fmt.Errorf("after %d of %d messages (run it again, and it goes on there): %w", res.Added, plan.New, err)
	}
	fmt.Printf("Imported %d messages into %s in %s; %d were there.\n", res.Added, plan.Title, time.Since(began).Round(time.Millisecond), plan.There+res.There)
	return nil
}
