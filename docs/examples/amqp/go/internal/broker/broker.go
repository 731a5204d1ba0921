// Package broker has what every example needs: a connection, and an end with a message when something is not as it should be.
package broker

import (
	"log"
	"os"

	amqp "github.com/rabbitmq/amqp091-go"
)

// Connect opens a connection to AMQP_URL and a channel on it.
func Connect() (*amqp.Connection, *amqp.Channel) {
	url := os.Getenv("AMQP_URL")
	if url == "" {
		url = "amqp://guest:guest@localhost:5672/%2f"
	}
	connection, err := amqp.Dial(url)
	Must(err)
	channel, err := connection.Channel()
	Must(err)
	return connection, channel
}

// Must ends the program on an error.
func Must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

// Queue declares a queue that lives as long as the connection, under a name that the broker chooses.
func Queue(channel *amqp.Channel) string {
	queue, err := channel.QueueDeclare("", false, false, true, false, nil)
	Must(err)
	return queue.Name
}

// Send publishes a text.
func Send(channel *amqp.Channel, exchange, key, text string) {
	Must(channel.Publish(exchange, key, false, false, amqp.Publishing{Body: []byte(text)}))
}

// Received takes out all that a queue holds.
func Received(channel *amqp.Channel, queue string) []string {
	texts := []string{}
	for {
		message, ok, err := channel.Get(queue, true)
		Must(err)
		if !ok {
			return texts
		}
		texts = append(texts, string(message.Body))
	}
}
