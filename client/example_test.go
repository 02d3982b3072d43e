package client_test

import (
	"context"
	"fmt"
	"log"

	"github.com/weft-im/weft/client"
	"github.com/weft-im/weft/fabric"
)

// A group is made, one of its members hears a message and reacts to it.
func ExampleAccount_CreateGroup() {
	var tokens client.TokenSource // client.NewGrants renews them
	var bob, cem fabric.UserID    // of Account.Lookup
	run := func(ctx context.Context) error {
		s, err := client.Connect(ctx, client.Options{URL: "https://weft.example", Tokens: tokens})
		if err != nil {
			return err
		}
		defer s.Close()
		group, notAdded, err := s.Account().CreateGroup(ctx, client.NewGroup{Name: "Crew", Members: []fabric.UserID{bob, cem}})
		if err != nil {
			return err
		}
		if len(notAdded) > 0 { // they decide themselves
			invite, err := s.Account().Invite(ctx, group.ID, client.NewInvite{Uses: len(notAdded)})
			if err != nil {
				return err
			}
			fmt.Println("send them this code:", invite.Code)
		}
		for ev := range s.Events() {
			if m, ok := ev.(*client.Message); ok && m.Channel == group.Channel && m.Kind == fabric.MsgText {
				s.Read(m.Channel, m.Seq)
				if _, err := s.React(ctx, m.Channel, m.Seq, "👍"); err != nil {
					return err
				}
			}
		}
		return s.Err()
	}
	if err := run(context.Background()); err != nil {
		log.Fatal(err)
	}
}

// Those who are added to a group hear of it at once, and whoever is removed hears nothing behind that.
func ExampleChannelChange() {
	show := func(ev client.Event) {
		change, ok := ev.(*client.ChannelChange)
		if !ok {
			return
		}
		switch change.Change {
		case fabric.ChangeAdded:
			fmt.Println("you are in", change.Name)
		case fabric.ChangeRemoved:
			fmt.Println("you are no longer in", change.Channel)
		case client.ChangeRead:
			fmt.Println("you have read up to", change.Read, "on another device")
		}
	}
	show(&client.ChannelChange{ChannelChange: fabric.ChannelChange{Change: fabric.ChangeAdded, Name: "Crew"}})
	show(&client.ChannelChange{ChannelChange: fabric.ChannelChange{Change: client.ChangeRead}, Read: 12})
	// Output:
	// you are in Crew
	// you have read up to 12 on another device
}
