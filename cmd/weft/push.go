package main

import (
	"context"
	"fmt"
	"text/tabwriter"

	"github.com/weft-im/weft/contract"
	"github.com/weft-im/weft/subjects"
)

// pushCmd looks into how users are pushed to.
type pushCmd struct {
	Test pushTestCmd `cmd:"" help:"Have a test notification sent to all of a user's devices, and tell what came of it."`
}

type pushTestCmd struct {
	controlFlags
	outputFlags

	User string `required:"" help:"An id, a phone with its country code, or a part of a name that only they have." placeholder:"USER"`
}

// Run sends a test. It is not queued: what the push services say is what is told.
func (c *pushTestCmd) Run(ctx context.Context) error {
	user, err := userArg{c.User}.one(ctx, c.controlFlags)
	if err != nil {
		return err
	}
	reply, err := request[contract.PushTestReply](ctx, c.controlFlags, subjects.PushTest, contract.PushTestRequest{User: user})
	if err != nil {
		return err
	}
	return c.print(reply, func(w *tabwriter.Writer) {
		if len(reply.Devices) == 0 {
			fmt.Fprintln(w, "None of the user's devices can be pushed to.")
			return
		}
		fmt.Fprintln(w, "DEVICE\tKIND\tSERVICE\tRESULT\tMS\t")
		for _, d := range reply.Devices {
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%d\t%s\n", d.Device, d.Kind, d.Lane, d.Result, d.Millis, d.Detail)
		}
	})
}
