// Simple: one program sends a message to a queue, another takes it out.
package main

import (
	"fmt"
	"log"

	"duolog.example/amqp/internal/broker"
	amqp "github.com/rabbitmq/amqp091-go"
)

func main() {
	connection, channel := broker.Connect()
	defer connection.Close()
	_, err := channel.QueueDeclare("example.simple", false, false, false, false, nil)
	broker.Must(err)

	// The default exchange, whose name is empty, sends a message to the queue named by the routing key.
	broker.Must(channel.Publish("", "example.simple", false, false, amqp.Publishing{Body: []byte("Hello")}))

	message, ok, err := channel.Get("example.simple", true)
	broker.Must(err)
	if !ok || string(message.Body) != "Hello" {
		log.Fatalf("got %v %q", ok, message.Body)
	}
	fmt.Printf("received %s\n", message.Body)

	_, err = channel.QueueDelete("example.simple", false, false, false)
	broker.Must(err)
}
