// A websocket hub keeps a session per connection in a map[*Conn]*Session. Connections that are closed
// by the peer never reach the code that deletes them.
//
// expect: unbounded-map
package main

import (
	"sync"
	"time"

	"scenarios/load"
)

type Conn struct {
	id     int
	remote string
	buffer [256]byte
}

type Session struct {
	user    string
	began   time.Time
	topics  [4]string
	pending int
}

type Hub struct {
	mu       sync.Mutex
	sessions map[*Conn]*Session
}

func NewHub() *Hub { return &Hub{sessions: make(map[*Conn]*Session)} }

func (h *Hub) Register(conn *Conn, user string) *Session {
	h.mu.Lock()
	defer h.mu.Unlock()
	session := &Session{user: user, began: time.Now()} // <- keeps
	h.sessions[conn] = session                         // <- keeps
	return session
}

func (h *Hub) Unregister(conn *Conn) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.sessions, conn)
}

var hub = NewHub()

func connect(number int) {
	conn := &Conn{id: number, remote: "198.51.100.7"} // <- keeps
	hub.Register(conn, "visitor")
	if number%3 == 0 { // the others are cut off
		hub.Unregister(conn)
	}
}

func main() {
	go load.Every(4000, connect)
	load.Serve()
}
