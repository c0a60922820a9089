// A chat server: room -> member -> last message, a struct per room that holds a map of pointers. Rooms
// are made for every conversation and none is ever closed.
//
// expect: unbounded-nested-map
package main

import (
	"sync"
	"time"

	"scenarios/load"
)

type member struct {
	name     string
	lastSeen time.Time
	unread   int
}

type room struct {
	topic   string
	members map[int64]*member
}

type server struct {
	mu    sync.Mutex
	rooms map[int64]*room
}

func (s *server) join(roomID, memberID int64, name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.rooms[roomID]
	if r == nil {
		r = &room{topic: "conversation", members: make(map[int64]*member)} // <- keeps
		s.rooms[roomID] = r                                                // <- keeps
	}
	m := &member{name: name, lastSeen: time.Now()} // <- keeps
	r.members[memberID] = m                        // <- keeps
}

var chat = &server{rooms: make(map[int64]*room)}

func message(number int) {
	chat.join(int64(number/12), int64(number%12), "guest")
}

func main() {
	go load.Every(9000, message)
	load.Serve()
}
