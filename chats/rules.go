package chats

import "github.com/weft-im/weft/fabric"

// action is what somebody wants to do to a group.
type action string

// The actions. What sends, edits and deletes in a group is for the edge's access.go to say, by the same roles.
const (
	actChange   action = "change its name, text or picture"
	actSettings action = "change its settings"
	actAdd      action = "add people"
	actInvite   action = "invite people"
	actUninvite action = "revoke invites of others"
	actRemove   action = "remove people"
	actRole     action = "change roles"
)

// may says, with CodeForbidden, why somebody of this role must not do something in a group with these settings. Here
// stands who may do what to a group, and nowhere else.
func may(r fabric.Role, a action, s fabric.Settings) error {
	switch {
	case r == fabric.RoleOwner, r == fabric.RoleAdmin:
		return nil
	case s.Change == fabric.ByAll && (a == actChange || a == actAdd || a == actInvite):
		return nil
	}
	return fabric.Errorf(fabric.CodeForbidden, "only admins of this group may %s", a)
}

// mayTouch says why somebody of role `by` must not take a member with role `of` out of the group, or give them the role
// `to` ("" for taking out). What concerns owners is for owners.
func mayTouch(by, of, to fabric.Role) error {
	if by == fabric.RoleOwner || (of != fabric.RoleOwner && to != fabric.RoleOwner) {
		return nil
	}
	return fabric.Errorf(fabric.CodeForbidden, "only owners of this group may make, change or remove owners")
}
